"""docs/reference/handlers.md is what the code takes and gives."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from dskity.bus.message import Message
from dskity.handlers import Dedupe, RetryPolicy, RoutePolicy
from dskity.modules import KV, Commands, Events, MqttClient, Registry, TransportClients

PAGE = (Path(__file__).parents[2] / "docs/reference/handlers.md").read_text(encoding="utf-8")
INTERNAL = {"for_module", "providers"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def shown(value: object) -> str:
    """A default as the page writes it."""
    if isinstance(value, RetryPolicy):
        return "RetryPolicy()"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def test_every_word_of_on_is_there_with_its_default() -> None:
    told = {cells[0]: cells[1] for cells in rows("`@on`")}
    words = {f"`{word.name}`": f"`{shown(word.default)}`" for word in fields(RoutePolicy)}
    assert told == words


@pytest.mark.parametrize("model", [RetryPolicy, Dedupe])
def test_the_values_of_words_are_written_with_their_defaults(model: type) -> None:
    parts = (
        name if default.default is inspect.Parameter.empty else f"{name}={default.default!r}"
        for name, default in inspect.signature(model).parameters.items()
    )
    assert f"`{model.__name__}({', '.join(parts)})`" in PAGE


def test_a_message_s_fields_are_all_there() -> None:
    (cell,) = (cells[1] for cells in rows("Parameters") if cells[0] == "`Message`")
    assert {field.name for field in fields(Message)} <= set(re.findall(r"`(\w+)`", cell))


def test_every_client_is_there_with_all_that_it_does() -> None:
    told = {
        name: cells[1] for cells in rows("`clients`") for name in re.findall("`(\\w+)", cells[0])
    }
    own = {name for name in vars(TransportClients) if not name.startswith("_")}
    assert set(told) == own - INTERNAL
    hints = get_type_hints(TransportClients) | {
        name: get_type_hints(value.fget)["return"]
        for name, value in vars(TransportClients).items()
        if isinstance(value, property)
    }
    for name in told.keys() & hints.keys():
        if hints[name] in {KV, Commands, Events, MqttClient, Registry}:
            does = {verb for verb in vars(hints[name]) if not verb.startswith("_")}
            assert does == set(re.findall(r"`(\w+)`", told[name])), name
