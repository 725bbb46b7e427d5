"""`bus` and `commands`: topics and bounds of what travels."""

from typing import Annotated

from pydantic import AfterValidator, ByteSize, Field

from dskity.bus.topics import check_topic, parse
from dskity.config.sections.section import MIB, Section


def _topic_prefix(root: str) -> str:
    check_topic(root)
    if "" in root.split("/") or "{" in root or "}" in root:
        raise ValueError(
            "must be topic levels without braces, none of them empty, as in plant/dskity"
        )
    return root


def _command_topic(pattern: str) -> str:
    parsed = parse(pattern)
    if set(parsed.names) != {"target", "command"} or parsed.filter.count("+") != len(parsed.names):
        raise ValueError(
            "must have {target} and {command}, each a level of its own, and no wildcard"
        )
    return pattern


def _reply_topic(pattern: str) -> str:
    if "target" not in parse(pattern).names:
        raise ValueError("must have the level {target}, so that no device can answer for another")
    return pattern


class BusSettings(Section):
    """The bus itself."""

    root: Annotated[str, AfterValidator(_topic_prefix)] = "dskity"
    """First level or levels of every topic that is ours."""
    max_in_flight: int = Field(default=1000, ge=1, le=1_000_000)
    """Messages between wire and handlers at most; when full, the broker keeps the rest."""
    max_in_flight_bytes: ByteSize = Field(default=ByteSize(64 * MIB), ge=1024)
    """Bytes between wire and handlers at most."""


class CommandsSettings(Section):
    """Commands to devices."""

    request_topic: Annotated[str, AfterValidator(_command_topic)] = (
        "devices/{target}/commands/{command}"
    )
    """Topic on which a device gets a command."""
    reply_topic: Annotated[str, AfterValidator(_reply_topic)] = (
        "devices/{target}/commands/{command}/reply"
    )
    """Topic on which a device without MQTT 5 replies."""
    default_ttl_seconds: float = Field(default=60, gt=0)
    """Seconds until a command that got no answer has timed out, unless it says otherwise."""
