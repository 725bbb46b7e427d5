"""What is wanted, what the broker holds, and what a topic means to a lane."""

from __future__ import annotations

from dskity.broker.connection.subscriptions import Held, Match, Subscription, Subscriptions
from dskity.bus.delivery import Meta
from dskity.bus.transport import Lane


def sub(filter: str, identifier: int = 1, qos: int = 1, lane: Lane = "intake") -> Subscription:
    """A subscription."""
    return Subscription(filter, qos, identifier, lane)


def test_a_new_session_needs_all_and_a_resumed_one_what_changed() -> None:
    """Qualities and identifiers count; what is not wanted any more is surplus."""
    held = Held()
    same, changed, gone = sub("same", 1), sub("changed", 2), sub("gone", 3)
    for entry in (same, changed, gone):
        held.put(entry)
    wanted = [same, sub("changed", 2, qos=0), sub("new", 4)]
    held.begin(resumed=True)
    assert [entry.filter for entry in held.missing(wanted)] == ["changed", "new"]
    assert held.surplus(wanted) == ["gone"]
    held.begin(resumed=False)
    assert held.missing(wanted) == wanted
    assert held.surplus(wanted) == []


def test_what_is_resumed_elsewhere_is_made_anew() -> None:
    """Another node may have a session of long ago; also what it has too much of is known."""
    held = Held()
    kept, gone = sub("kept", 1), sub("gone", 2)
    for entry in (kept, gone):
        held.put(entry)
    held.begin(resumed=True, anew=True)
    assert held.missing([kept]) == [kept]
    assert held.surplus([kept]) == ["gone"]


def test_a_filter_may_be_on_both_lanes() -> None:
    """What ends on one of them goes on on the other."""
    table = Subscriptions()
    table.add(sub("a", 1, lane="intake"))
    table.add(sub("a", 2, lane="control"))
    assert [entry.identifier for entry in table.of("intake")] == [1]
    assert [entry.identifier for entry in table.of("control")] == [2]
    table.remove("a", "control")
    assert [entry.identifier for entry in table.of("intake")] == [1]
    assert table.of("control") == []


def test_a_topic_of_one_lane_needs_no_names() -> None:
    """Shared ones bring no copy of their own, as far as we can know."""
    table = Subscriptions()
    table.add(sub("a/+", 1))
    table.add(sub("a/#", 2))
    table.add(sub("$share/group/a/b", 3))
    assert table.match("intake", "a/b") == Match(2, None)
    assert table.match("intake", "other") == Match(0, None)


def test_a_topic_of_both_lanes_names_each_lanes_own() -> None:
    """And what was remembered of a topic is forgotten when the table changes."""
    table = Subscriptions()
    table.add(sub("a/+", 1))
    assert table.match("intake", "a/b") == Match(1, None)
    table.add(sub("a/b", 2, lane="control"))
    assert table.match("intake", "a/b") == Match(1, Meta(subscriptions=(1,)))
    assert table.match("control", "a/b") == Match(1, Meta(subscriptions=(2,)))
    table.remove("a/b", "control")
    assert table.match("intake", "a/b") == Match(1, None)
