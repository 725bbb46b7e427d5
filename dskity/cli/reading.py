"""From the options of a verb to what the verb works with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dskity.config import DSkitySettings


def read_settings(
    config: Path | None, assignments: Sequence[str] | None, options: Mapping[str, Any]
) -> DSkitySettings:
    """The settings, with `--set` and then the options that were given laid over them."""
    from dskity.config import load_settings

    given = {key: value for key, value in options.items() if value is not None}
    return load_settings(config, {**pairs(assignments, "--set"), **given})


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a mapping."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{text!r}: write NAME=VALUE", param_hint=option)
        found[name] = value
    return found


def read_payload(text: str) -> bytes:
    """The payload of `PAYLOAD`, `-` or `@FILE`."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        reason = f"{text[1:]} cannot be read: {error.strerror}"
        raise typer.BadParameter(reason, param_hint="PAYLOAD") from error


def check_topic_argument(topic: str) -> str:
    """The topic, if it may be published to."""
    from dskity.bus.errors import InvalidTopic
    from dskity.bus.topics import check_topic

    try:
        return check_topic(topic)
    except InvalidTopic as error:
        raise typer.BadParameter(str(error), param_hint="TOPIC") from error


def check_filter_argument(text: str) -> str:
    """The filter, if it may be subscribed to; `{root}` stays as it is."""
    from dskity.bus.errors import InvalidTopic
    from dskity.bus.topics import ROOT, parse

    try:
        parse(text, ROOT)
    except InvalidTopic as error:
        raise typer.BadParameter(str(error), param_hint="FILTER") from error
    return text
