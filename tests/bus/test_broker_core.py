"""The core of a broker, which the memory transport and the built-in broker share."""

from __future__ import annotations

import pytest

from dskity.bus import topics
from dskity.bus.base.clock import VirtualClock
from dskity.bus.message import Message
from dskity.bus.routing.router import Router
from dskity.bus.sessions.bounds import Bounds
from dskity.bus.sessions.core import BrokerCore
from dskity.bus.sessions.session import Session


class Client:
    """Takes nothing: what is for it stays in its session."""

    def deliver_soon(self) -> None:
        pass

    def taken_over(self) -> None:
        pass


def session(core: BrokerCore[Message], name: str, *filters: str) -> Session[Message]:
    """A session of a client that is connected, subscribed at QoS 1."""
    found, _ = core.open(name, Client())
    for filter in filters:
        core.subscribe(found, filter, 1)
    return found


def payloads(session: Session[Message]) -> list[bytes]:
    """What waits for it."""
    return [queued.message.payload for queued in session.waiting["intake"]]


def test_a_shared_group_without_members_is_forgotten() -> None:
    """Clients may name any number of them."""
    core: BrokerCore[Message] = BrokerCore(VirtualClock())
    one = session(core, "one")
    for number in range(100):
        core.subscribe(one, f"$share/g{number}/t", 1)
        core.publish(Message("t"))
        core.unsubscribe(one, f"$share/g{number}/t")
    core.subscribe(one, "$share/kept/t", 1)
    core.end(one)
    assert not core._groups._turns
    assert not core._groups._members


@pytest.mark.parametrize("once", [True, False])
def test_a_client_without_identifiers_has_one_copy_also_where_a_group_matches_too(
    once: bool,
) -> None:
    """It could not tell two copies from two messages; with identifiers they are for two filters."""
    core: BrokerCore[Message] = BrokerCore(VirtualClock())
    one = session(core, "one", "a/b", "$share/g/a/b", "$share/h/a/+")
    one.once = once
    core.publish(Message("a/b", b"1"))
    assert payloads(one) == [b"1"] * (1 if once else 3)


def test_a_retained_message_that_expired_is_not_sent_and_makes_room() -> None:
    clock = VirtualClock()
    bounds: Bounds[Message] = Bounds(lambda message: len(message.payload), retained=2)
    core = BrokerCore(clock, bounds)
    core.publish(Message("short", b"1", retain=True, expires_in=5))
    core.publish(Message("long", b"2", retain=True))
    clock._now += 6
    assert payloads(session(core, "one", "#")) == [b"2"]
    core.publish(Message("new", b"3", retain=True))
    assert payloads(session(core, "two", "#")) == [b"2", b"3"]
    assert core.retained.refused == 0


def test_the_first_message_of_a_session_always_fits() -> None:
    """A bound below the largest packet would otherwise stop it for ever."""
    bounds: Bounds[Message] = Bounds(lambda message: len(message.payload), bytes=10)
    core = BrokerCore(VirtualClock(), bounds)
    one = session(core, "one", "t")
    core.publish(Message("t", bytes(100)))
    core.publish(Message("t", b"1"))
    assert [len(payload) for payload in payloads(one)] == [100]
    assert one.dropped == 1


def test_qos_0_is_not_kept_for_a_client_that_leaves() -> None:
    bounds: Bounds[Message] = Bounds(lambda message: len(message.payload))
    core = BrokerCore(VirtualClock(), bounds)
    one = session(core, "one", "t")
    core.publish(Message("t", b"0", 0))
    core.publish(Message("t", b"1", 1))
    core.leave(one)
    core.publish(Message("t", b"0", 0))
    assert payloads(one) == [b"1"]
    assert core.meter is not None
    assert core.meter.size == one.size == 1


def test_long_topics_are_routed_and_not_remembered() -> None:
    """16,384 of 64 KiB each would be a GiB."""
    router: Router[str] = Router()
    router.add(topics.parse("a/#"), "route")
    long = "a/" + "x" * 1_000
    assert [route for route, _ in router.find(long)] == ["route"]
    assert [route for route, _ in router.find("a/b")] == ["route"]
    assert list(router._cache) == ["a/b"]


@pytest.mark.parametrize("text", ["a/+/#", "#", "+", "/", "a//b", "$share/g/a", "$SYS/#", "{x}"])
def test_what_is_a_filter(text: str) -> None:
    assert topics.is_filter(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a/#/b", "a+", "a/b#", "a\0", "##"),
        *("$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/g/a/#/b"),
    ],
)
def test_what_is_no_filter(text: str) -> None:
    assert not topics.is_filter(text)
