"""`dskity request`: publish, and print the reply."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dskity.cli.options import Config, ContentType, Headers, Json, Payload, Set, Url
from dskity.cli.reading import check_topic_argument, pairs, read_payload, read_settings
from dskity.process.terminal import message_fields, payload_text, print_json

if TYPE_CHECKING:
    from dskity.bus.message import Message
    from dskity.config import DSkitySettings

Topic = Annotated[str, typer.Argument(help="Topic of the request.", show_default=False)]
Timeout = Annotated[
    float, typer.Option("--timeout", "-t", min=0.001, help="Seconds to wait for the reply.")
]


def request(
    topic: Topic,
    payload: Payload = "",
    timeout: Timeout = 5.0,
    headers: Headers = None,
    content_type: ContentType = None,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Send a request and print the reply; exit 1 without a reply, or on an error."""
    check_topic_argument(topic)
    words = {
        "timeout": timeout,
        "headers": pairs(headers, "--header"),
        "content_type": content_type,
    }
    settings = read_settings(config, assignments, {"common.mqtt.url": url})
    reply = asyncio.run(_request(settings, topic, read_payload(payload), words))
    if as_json:
        print_json(message_fields(reply))
    else:
        typer.echo(payload_text(reply.payload))


async def _request(
    settings: DSkitySettings, topic: str, payload: bytes, words: dict[str, Any]
) -> Message:
    from dskity.client import open_bus

    async with open_bus(settings, trial=False) as bus:
        return await bus.request(topic, payload, **words)
