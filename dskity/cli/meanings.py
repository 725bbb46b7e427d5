"""What each finding about a broker means for routes, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dskity.broker.probe.findings import Finding, FindingName

# What is asked, what a yes means, what a no means.
_MEANINGS: dict[FindingName, tuple[str, str, str]] = {
    "mqtt5": (
        "MQTT 5",
        "Headers, reply topics and content types travel as they are.",
        "Requests, replies and events travel in an envelope; a plain publish has no headers.",
    ),
    "qos2": (
        "QoS 2",
        "qos=2 travels as QoS 2.",
        "A route with qos=2 does not start, unless it says best_effort=True.",
    ),
    "shared": (
        "shared subscriptions",
        "group= shares the messages among runtimes.",
        "A route with group= does not start, unless it says best_effort=True.",
    ),
    "retained": (
        "retained messages",
        "Who subscribes later gets the last state.",
        "State is lost to who subscribes later; the registry sees only those who announce next.",
    ),
    "redelivery": (
        "redelivery of unacknowledged QoS 1",
        "What a crash left unhandled comes again.",
        "What a crash left unhandled is lost: ack='stored' narrows the gap.",
    ),
    "persistent": (
        "queue for a session that is away",
        "What is published during a restart waits; beyond the broker's limit it is dropped.",
        "What is published during a restart is lost.",
    ),
    "window": (
        "unacknowledged messages on their way",
        "A handler that does not return holds up all behind so many; ack='stored' has no limit.",
        "Nothing comes while a handler runs.",
    ),
    "expiry": (
        "message expiry",
        "expires_in= holds also for what waits in the broker.",
        "expires_in= does not hold in the broker: check a time in the payload.",
    ),
    "dollar_wildcards": (
        "wildcards leave $… alone",
        "A route on # gets none of the broker's own messages.",
        "A route on # or + also gets $… topics: expect them, or narrow the filter.",
    ),
    "dollar_publish": (
        "a publish to $… is harmless",
        "A foreign client that tries it keeps its session.",
        "A foreign client that tries it loses its session.",
    ),
    "overlap": (
        "overlapping filters",
        "Each handler gets a message once, whatever filters overlap.",
        "A copy for each filter: DSkity drops those that it recognises.",
    ),
    "unsubscribe": (
        "UNSUBSCRIBE is done",
        "Nothing more comes for a route that has ended.",
        "Messages still come for a route that has ended; they are acknowledged and counted.",
    ),
    "max_packet": (
        "largest packet",
        "Above a limit that the broker tells, a publish is TooLarge.",
        "A larger publish may be lost, or end the connection: the outbox then sets it aside.",
    ),
    "reports_no_match": (
        "says when nobody is subscribed",
        "A request without a responder fails at once.",
        "A request without a responder fails after its time-out.",
    ),
    "round_trip": (
        "round trip at QoS 1",
        "Over 40 ms on this machine, the broker lacks TCP_NODELAY.",
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
