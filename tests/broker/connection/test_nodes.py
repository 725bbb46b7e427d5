"""Several brokers in one list: in which order they are tried, and that the lanes stay together."""

from __future__ import annotations

import pytest

from dskity.broker.backoff import FIRST
from dskity.broker.connection import connection
from dskity.broker.connection.nodes import Nodes
from dskity.broker.settings import ConnectionSettings
from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import InvalidSettings
from dskity.bus.transport import Lane
from tests.broker.scripted import LANES, Brokers, started
from tests.waiting import until

EVERYWHERE: list[tuple[Lane, str]] = [(lane, name) for lane in LANES.values() for name in "abc"]


def test_a_round_begins_where_the_transport_was_last() -> None:
    """And goes on in the order of the list."""
    nodes = Nodes(ConnectionSettings(("mqtt://a", "mqtt://b", "mqtt://c"), "box"))
    assert [node.address.host for node in nodes.round()] == ["a", "b", "c"]
    nodes.current = list(nodes.round())[1]
    assert [node.address.host for node in nodes.round()] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("urls", "fault"),
    [
        ((), "the list is empty"),
        (("mqtt://a", "mqtt://b", "mqtt://a:1883"), "mqtt://a:1883 is in the list twice"),
        (("mqtt://a", "http://b"), "scheme 'http'"),
    ],
)
def test_a_list_with_a_fault_is_refused(urls: tuple[str, ...], fault: str) -> None:
    """With what to write."""
    with pytest.raises(InvalidSettings, match=fault):
        ConnectionSettings(urls, "box")


def test_each_node_has_the_user_of_its_own_url() -> None:
    """Where `username` does not say otherwise; and no password shows."""
    settings = ConnectionSettings(("mqtt://one:secret@a", "mqtt://two:secret@b"), "box")
    assert [node.user for node in settings.nodes] == ["one", "two"]
    assert "secret" not in repr(settings)


async def test_all_are_tried_at_once_and_only_then_it_waits() -> None:
    """A node that is there is found as fast as the others say no."""
    brokers, clock = Brokers("abc", ()), VirtualClock()
    transport = brokers.transport(clock)
    await started(transport)
    await clock.advance(0)
    assert brokers.tried("intake") == brokers.tried("control") == "abc"
    await clock.advance(FIRST)
    for lane in LANES.values():  # the jitter of the waits lets each have its own number
        rounds = len(brokers.tried(lane)) // 3
        assert rounds > 1
        assert brokers.tried(lane) == rounds * "abc"
    await transport.close()


async def test_a_lost_connection_is_first_sought_at_the_same_node() -> None:
    """For a cut line is no reason to leave a node."""
    brokers = Brokers("abc", [("intake", "b"), ("control", "b")])
    transport = brokers.transport()
    link = await started(transport)
    await link.wait_connected(5)
    assert brokers.where() == {"intake": "b", "control": "b"}
    brokers.open_to.update(EVERYWHERE)
    brokers.attempts.clear()
    for wire in list(brokers.present.values()):
        wire.lose()
    await until(lambda: link.connections == 2, "it has connected again")
    assert brokers.tried("intake") == brokers.tried("control") == "b"
    await transport.close()


@pytest.mark.parametrize(("first", "other"), [("control", "intake"), ("intake", "control")])
async def test_where_one_lane_must_go_the_other_follows(first: Lane, other: Lane) -> None:
    """It tells of the connection again when both are there."""
    brokers = Brokers("abc", EVERYWHERE)
    transport = brokers.transport()
    link = await started(transport)
    await link.wait_connected(5)
    brokers.open_to.discard((first, "a"))
    brokers.present[first].lose()
    await until(lambda: brokers.where() == {first: "b", other: "b"}, "both are at b")
    await until(lambda: link.connections == 2, "and it is told")
    await transport.close()


async def test_a_subscription_that_is_refused_for_a_while_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cluster that has lost a node refuses until it has elected a leader."""
    monkeypatch.setattr(connection, "ASK_AGAIN", 0.02)
    brokers = Brokers("a", EVERYWHERE)
    brokers.refused = {"later/#": 0x80, "never/#": 0x87}
    transport = brokers.transport()
    for number, filter in enumerate(("now/#", *brokers.refused), start=1):
        await transport.subscribe(filter, 1, number)
    link = await started(transport)
    await link.wait_connected(5)
    assert brokers.present["intake"].granted == ["now/#"]
    brokers.refused.clear()
    await until(lambda: "later/#" in brokers.present["intake"].granted, "it is granted")
    assert brokers.present["intake"].granted == ["now/#", "later/#"]
    await transport.close()


async def test_lanes_that_cannot_be_at_one_node_are_content_with_two() -> None:
    """They do not chase each other: each is tried once, and then they stay."""
    brokers = Brokers("ab", [("intake", "a"), ("control", "b")])
    transport = brokers.transport()
    link = await started(transport)
    await link.wait_connected(5)
    assert brokers.where() == {"intake": "a", "control": "b"}
    attempts = len(brokers.attempts)
    assert attempts <= len("aab") + len("bab")
    brokers.present["control"].lose()
    await until(lambda: link.connections == 2, "it has connected again")
    assert brokers.where() == {"intake": "a", "control": "b"}
    await transport.close()
