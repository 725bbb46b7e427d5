"""`bus` and `commands`: topics and bounds of what travels."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field

from dskity.bus.base.threads import HANDLER_THREADS
from dskity.bus.topics import check_topic, parse
from dskity.config.sections.filters import Filters
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


class OutboxSettings(Section):
    """The disk outbox in `state_dir`: publishes with QoS ≥ 1 that wait for the broker."""

    enabled: bool = True
    """Keep publishes while the broker is away; otherwise they fail."""
    max_messages: int = Field(default=100_000, ge=1)
    """Maximum number of messages."""
    max_bytes: ByteSize = Field(default=ByteSize(256 * MIB), ge=1024)
    """Maximum size of the messages in bytes."""
    max_age_seconds: float | None = Field(default=604_800, gt=0)
    """Seconds until a message is dropped instead of sent; null: never."""
    policy: Literal["reject", "drop_oldest"] = "reject"
    """At the limit: reject new messages, or delete the oldest."""


class InboxSettings(Section):
    """The disk inbox in `state_dir`, for handlers with `ack="stored"`."""

    max_messages: int = Field(default=100_000, ge=1)
    """Maximum number of messages; the broker keeps further ones."""
    max_bytes: ByteSize = Field(default=ByteSize(256 * MIB), ge=1024)
    """Maximum size of the messages in bytes."""


class DeadLettersSettings(Section):
    """The file of dead letters in `state_dir`; at a limit the oldest are deleted."""

    max_messages: int = Field(default=10_000, ge=1)
    """Maximum number of messages."""
    max_bytes: ByteSize = Field(default=ByteSize(64 * MIB), ge=1024)
    """Maximum size of the messages in bytes."""
    max_age_seconds: float | None = Field(default=2_592_000, gt=0)
    """Seconds until a dead letter is deleted; null: never."""


class BusSettings(Section):
    """The message bus."""

    root: Annotated[str, AfterValidator(_topic_prefix)] = "dskity"
    """Prefix of every topic of DSkity: one or more levels."""
    max_in_flight: int = Field(default=1000, ge=1, le=1_000_000)
    """Maximum number of messages in flight to handlers; the broker keeps further ones."""
    max_in_flight_bytes: ByteSize = Field(default=ByteSize(64 * MIB), ge=1024)
    """Maximum bytes of messages in flight to handlers."""
    qos0_overload: Literal["wait", "drop_oldest"] = "wait"
    """QoS 0 messages at the limit: block the sender's TCP, or drop and count the oldest."""
    handler_threads: int = Field(default=HANDLER_THREADS, ge=1, le=1000)
    """Threads for handlers that are plain functions, not counting those past their time-out."""
    dedupe_max_window_seconds: float = Field(default=86_400, gt=0)
    """Seconds for which `dedupe` keys are kept; the maximum of every window."""
    reply_topics: Filters | None = None
    """Filters of the topics that replies may go to, besides `{root}/reply/`; null: any topic
    outside `{root}/` that this runtime does not handle."""
    outbox: OutboxSettings = OutboxSettings.defaults()
    """Publishes that wait for the broker."""
    inbox: InboxSettings = InboxSettings.defaults()
    """Messages that wait for slow handlers."""
    dead_letters: DeadLettersSettings = DeadLettersSettings.defaults()
    """Messages that failed for good."""


class CommandsSettings(Section):
    """Commands to devices."""

    request_topic: Annotated[str, AfterValidator(_command_topic)] = (
        "devices/{target}/commands/{command}"
    )
    """Topic of commands to a device."""
    reply_topic: Annotated[str, AfterValidator(_reply_topic)] = (
        "devices/{target}/commands/{command}/reply"
    )
    """Topic of the replies of a device."""
    default_ttl_seconds: float = Field(default=60, gt=0)
    """Seconds until an unanswered command times out, unless the call sets `ttl`."""
