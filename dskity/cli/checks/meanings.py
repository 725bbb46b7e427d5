"""What each finding about a broker means for routes, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dskity.broker.probe.findings import Finding, FindingName

# What is asked, what a yes means, what a no means.
_MEANINGS: dict[FindingName, tuple[str, str, str]] = {
    "mqtt5": (
        "MQTT 5",
        "Headers, reply topics and content types are sent as MQTT 5 properties.",
        "Requests, replies and events use an envelope; a plain publish has no headers.",
    ),
    "qos2": (
        "QoS 2",
        "qos=2 is sent with QoS 2.",
        "A route with qos=2 does not start, unless it sets best_effort=True.",
    ),
    "shared": (
        "shared subscriptions",
        "group= distributes the messages among runtimes.",
        "A route with group= does not start, unless it sets best_effort=True.",
    ),
    "retained": (
        "retained messages",
        "A later subscriber receives the last state.",
        "A later subscriber receives no state; the registry sees only later announcements.",
    ),
    "redelivery": (
        "redelivery of unacknowledged QoS 1",
        "Messages that a crash left unhandled are delivered again.",
        "Messages that a crash left unhandled are lost: ack='stored' narrows the gap.",
    ),
    "persistent": (
        "queue for a session that is away",
        "Messages published during a restart wait; beyond the broker's limit they are dropped.",
        "Messages published during a restart are lost.",
    ),
    "window": (
        "unacknowledged messages in flight",
        "A handler that does not return blocks all messages beyond; ack='stored' has no limit.",
        "No message is delivered while a handler runs.",
    ),
    "expiry": (
        "message expiry",
        "expires_in= also applies to messages that wait in the broker.",
        "expires_in= does not apply in the broker: check a time in the payload.",
    ),
    "dollar_wildcards": (
        "wildcards do not match $…",
        "A route on # receives none of the broker's own messages.",
        "A route on # or + also receives $… topics: expect them, or narrow the filter.",
    ),
    "dollar_publish": (
        "a publish to $… is harmless",
        "Another client that tries it keeps its session.",
        "Another client that tries it loses its session.",
    ),
    "overlap": (
        "overlapping filters",
        "Each handler receives a message once, even if filters overlap.",
        "A copy for each filter: DSkity drops the copies that it recognises.",
    ),
    "unsubscribe": (
        "UNSUBSCRIBE takes effect",
        "No further message is delivered for a route that has ended.",
        "Messages for a route that has ended are still delivered, acknowledged and counted.",
    ),
    "max_packet": (
        "largest packet",
        "Above the limit that the broker announces, a publish is TooLarge.",
        "A larger publish may be lost, or close the connection: the outbox then sets it aside.",
    ),
    "reports_no_match": (
        "reports missing subscribers",
        "A request without a responder fails at once.",
        "A request without a responder fails after its time-out.",
    ),
    "round_trip": (
        "round trip at QoS 1",
        "Above 40 ms on this machine, the broker lacks TCP_NODELAY.",
        "",
    ),
}


def question(name: FindingName) -> str:
    """What is asked."""
    return _MEANINGS[name][0]


def meaning(finding: Finding) -> str:
    """What the answer means."""
    _, yes, no = _MEANINGS[finding.name]
    if finding.verdict == "unknown":
        return f"Not known. At worst: {no}" if no else "Not known."
    return yes if finding.verdict == "yes" else no
