"""`dskity sub`: print messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from dskity.cli.group import FAILED
from dskity.cli.options import Config, Json, Qos, Set, Url
from dskity.cli.reading import check_filter_argument, read_settings
from dskity.process.terminal import message_fields, note, print_json, print_line

if TYPE_CHECKING:
    from dskity.bus.message import Message
    from dskity.config import DSkitySettings

Filter = Annotated[
    str, typer.Argument(help="MQTT filter; + and {name} match one level.", show_default=False)
]
Count = Annotated[
    int | None, typer.Option("--count", "-n", min=1, help="End after this number of messages.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        "-t",
        min=0.001,
        help="End after this number of seconds; exit 1 if --count was not reached.",
    ),
]


def sub(
    filter: Filter,
    qos: Qos = 1,
    count: Count = None,
    timeout: Timeout = None,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Print the messages that match a filter, one line each, until --count, --timeout or Ctrl-C."""
    check_filter_argument(filter)
    settings = read_settings(config, assignments, {"common.mqtt.url": url})
    show = _show_json if as_json else _show_text
    printed = asyncio.run(_print(settings, filter, qos, count, timeout, show))
    if count is not None and printed < count:
        note(f"{printed} of {count} messages arrived in time")
        raise typer.Exit(FAILED)


async def _print(
    settings: DSkitySettings,
    filter: str,
    qos: int,
    count: int | None,
    timeout: float | None,
    show: Callable[[Message], None],
) -> int:
    from dskity.client import open_bus

    printed = 0
    async with open_bus(settings, trial=False) as bus, bus.stream(filter, qos=qos) as messages:
        note(f"subscribed to {filter}")
        try:
            async with asyncio.timeout(timeout):
                async for message in messages:
                    show(message)
                    printed += 1
                    if printed == count:
                        break
        except TimeoutError:
            pass  # the end that was asked for
        if messages.dropped:
            note(f"{messages.dropped} messages were dropped: this terminal is too slow")
    return printed


def _show_json(message: Message) -> None:
    print_json(message_fields(message))


def _show_text(message: Message) -> None:
    print_line(f"{message.topic} {message.payload.decode(errors='backslashreplace')}")
