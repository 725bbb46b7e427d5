"""`dskity pub`: publish one message."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dskity.cli.options import Config, ContentType, Headers, Json, Payload, Qos, Set, Url
from dskity.cli.reading import check_topic_argument, pairs, read_payload, read_settings
from dskity.process.terminal import print_json, print_line

if TYPE_CHECKING:
    from dskity.bus.message import Receipt
    from dskity.config import DSkitySettings

Topic = Annotated[str, typer.Argument(help="Topic to publish to.", show_default=False)]
Retain = Annotated[bool, typer.Option("--retain", "-r", help="Retain the message.")]
ExpiresIn = Annotated[
    float | None, typer.Option("--expires-in", min=0.001, help="Seconds until the message expires.")
]


def pub(
    topic: Topic,
    payload: Payload = "",
    qos: Qos = 1,
    retain: Retain = False,
    headers: Headers = None,
    content_type: ContentType = None,
    expires_in: ExpiresIn = None,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Publish a message to the broker of a running instance."""
    check_topic_argument(topic)
    words = {
        "qos": qos,
        "retain": retain,
        "headers": pairs(headers, "--header"),
        "content_type": content_type,
        "expires_in": expires_in,
    }
    settings = read_settings(config, assignments, {"common.mqtt.url": url})
    receipt = asyncio.run(_publish(settings, topic, read_payload(payload), words))
    if as_json:
        print_json(asdict(receipt))
    else:
        nobody = "; no client is subscribed" if receipt.matched is False else ""
        print_line(f"{topic}: QoS {receipt.qos}, {_HOW[receipt.accepted]}{nobody}")


_HOW = {
    "broker": "acknowledged by the broker",
    "outbox": "kept until the broker is back",
    "sent": "sent without confirmation",
}


async def _publish(
    settings: DSkitySettings, topic: str, payload: bytes, words: dict[str, Any]
) -> Receipt:
    from dskity.client import open_bus

    async with open_bus(settings, trial=False) as bus:
        return await bus.publish(topic, payload, **words)
