"""What the routes of the project declare, and whether a broker lets it hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dskity.broker.probe.findings import Examination, FindingName, Verdict
from dskity.config.sections.connections import DEFAULT
from dskity.handlers import Declaration, RoutePolicy, declared
from dskity.modules.lifecycle.discovered import DiscoveredModule

_BY_US = "guaranteed by DSkity itself"


@dataclass(frozen=True, slots=True)
class Promise:
    """One guarantee of one route, and whether it holds; `reason` is why."""

    module: str
    filter: str
    connection: str
    guarantee: str
    verdict: Verdict
    reason: str


def connections_of(found: Sequence[DiscoveredModule]) -> list[str]:
    """The connections that routes name, the default one first."""
    names = dict.fromkeys((DEFAULT,))
    for entry in found:
        names |= dict.fromkeys(route.connection or DEFAULT for route in declared(entry.module))
    return list(names)


def promises(
    found: Sequence[DiscoveredModule], examinations: Mapping[str, Examination]
) -> Iterator[Promise]:
    """Those of all modules; `examinations` are of the brokers of the connections, by name."""
    for entry in found:
        for route in declared(entry.module):
            connection = route.connection or DEFAULT
            broker = examinations.get(connection)
            for guarantee, verdict, reason in _judged(route, broker):
                yield Promise(entry.name, route.filter, connection, guarantee, verdict, reason)


def _judged(route: Declaration, broker: Examination | None) -> Iterator[tuple[str, Verdict, str]]:
    if broker is None:
        yield "connection", "no", f"no connection {route.connection!r} under mqtt in the settings"
        return
    policy = RoutePolicy.of(route.policy)
    yield f"qos={policy.qos}", *_delivering(broker, policy)
    if policy.group is not None:
        yield f"group={policy.group!r}", *_sharing(broker, policy)
    if policy.order_by is not None:
        yield _order(policy), "yes", _BY_US
    if policy.dedupe is not None:
        yield "dedupe", *_deduping(broker, policy)
    if policy.ack == "stored":
        yield "ack='stored'", "yes", _BY_US


def _order(policy: RoutePolicy) -> str:
    return f"order_by={policy.order_by!r}" if isinstance(policy.order_by, str) else "order_by"


def _needs(broker: Examination, *names: FindingName) -> tuple[Verdict, str]:
    """The worst of these findings."""
    for verdict in ("no", "unknown"):
        for name in names:
            if broker[name].verdict == verdict:
                return verdict, f"{name}: {broker[name].detail or verdict}"
    return "yes", ""


def _delivering(broker: Examination, policy: RoutePolicy) -> tuple[Verdict, str]:
    if policy.qos == 0:
        return "yes", "at most once"
    least = _needs(broker, "redelivery", "persistent")
    if policy.qos == 1 or least[0] == "no":
        return least
    verdict, reason = _needs(broker, "qos2", "redelivery", "persistent")
    if verdict == "yes" or not policy.best_effort:
        return verdict, reason
    return "yes", "by best effort: with a lower QoS"


def _sharing(broker: Examination, policy: RoutePolicy) -> tuple[Verdict, str]:
    verdict, reason = _needs(broker, "shared")
    if verdict == "yes" or not policy.best_effort:
        return verdict, reason
    return "yes", "by best effort: every member gets every message"


def _deduping(broker: Examination, policy: RoutePolicy) -> tuple[Verdict, str]:
    assert policy.dedupe is not None  # noqa: S101  # asked for only where there is one
    key = policy.dedupe.key
    if isinstance(key, str) and key.startswith("header:"):
        verdict, reason = _needs(broker, "mqtt5")
        return verdict, reason and f"a plain publish has no headers: {broker['mqtt5'].detail}"
    return "yes", _BY_US
