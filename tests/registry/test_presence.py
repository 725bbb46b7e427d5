"""The verdict on others: heartbeat, will and goodbye in, one speaker out. Nothing here runs."""

from __future__ import annotations

import pytest

from dskity.modules.contract import Instance
from dskity.modules.registry.entry import Record
from dskity.modules.registry.presence import MAX_ENTRIES, Presence

GRACE = 2.0


def record(
    service: str = "pump",
    instance: str = "p1",
    runtime: str = "far",
    *,
    life: float = 1.0,
    ttl: float = 60.0,
) -> Record:
    """An entry as it was heard."""
    return Record(Instance(service, instance, "url", {}, "service", ttl, life, life), runtime)


def causes(presence: Presence, now: float) -> list[tuple[str, str]]:
    """What is to be said: instances and causes."""
    return [(v.record.instance.instance, v.cause) for v in presence.due(now)]


def live(presence: Presence) -> list[str]:
    return sorted(record.instance.instance for record in presence.live())


@pytest.fixture
def presence() -> Presence:
    return Presence("me", GRACE)


def test_an_entry_lives_while_its_heartbeat_comes_in_time(presence: Presence) -> None:
    for now in (0, 50, 100):
        presence.heard(record(), 60, now, retained=False)
        assert causes(presence, now + 59.9) == []
        assert live(presence) == ["p1"]
    assert causes(presence, 160) == [("p1", "expired")]
    assert live(presence) == []


def test_a_verdict_comes_again_until_it_is_said(presence: Presence) -> None:
    presence.heard(record(), 60, 0, retained=False)
    [verdict] = presence.due(60)
    assert presence.due(61) == [verdict]
    presence.said(verdict)
    assert presence.due(62) == []


def test_an_entry_without_a_time_to_live_holds_until_it_is_cleared(presence: Presence) -> None:
    presence.heard(record(ttl=0), None, 0, retained=True)
    assert causes(presence, 1e9) == []
    presence.cleared("pump", "p1")
    assert live(presence) == []


def test_a_will_is_believed_after_the_grace(presence: Presence) -> None:
    presence.heard(record(), 60, 0, retained=False)
    presence.heard(record(instance="other", runtime="else"), 60, 0, retained=False)
    presence.runtime("far", "lost", 10)
    assert causes(presence, 11.9) == []
    assert live(presence) == ["other", "p1"]
    presence.due(12)
    assert live(presence) == ["other"]


@pytest.mark.parametrize("sign", ["state", "heartbeat"])
def test_who_comes_back_within_the_grace_was_never_gone(presence: Presence, sign: str) -> None:
    presence.heard(record(), 60, 0, retained=False)
    presence.runtime("far", "lost", 10)
    if sign == "state":
        presence.runtime("far", "ready", 11)
    else:
        presence.heard(record(), 60, 11, retained=False)
    assert causes(presence, 20) == []
    assert live(presence) == ["p1"]


def test_a_retained_entry_is_no_sign_of_life(presence: Presence) -> None:
    presence.runtime("far", "lost", 0)
    presence.heard(record(), 60, 0, retained=True)
    assert causes(presence, 2) == [("p1", "lost")]


def test_what_a_stopped_runtime_left_behind_is_stopped(presence: Presence) -> None:
    presence.heard(record(), 60, 0, retained=True)
    presence.runtime("far", "stopped", 0)
    assert causes(presence, 2) == [("p1", "stopped")]


def test_a_retained_entry_that_has_lapsed_is_not_live_and_expires_after_the_grace(
    presence: Presence,
) -> None:
    presence.heard(record(), -5, 0, retained=True)
    assert live(presence) == []
    assert causes(presence, 1.9) == []
    assert causes(presence, 2) == [("p1", "expired")]


def test_a_lapsed_entry_whose_runtime_lives_after_all_is_live(presence: Presence) -> None:
    presence.heard(record(), -5, 0, retained=True)
    presence.heard(record(), 60, 1, retained=False)
    assert causes(presence, 30) == []
    assert live(presence) == ["p1"]


def test_silence_while_we_were_away_proves_nothing(presence: Presence) -> None:
    """Nor does the broker's old copy of an entry that we know to be live."""
    presence.heard(record(), 60, 0, retained=False)
    presence.runtime("far", "lost", 0)
    presence.heard(record(), -100, 500, retained=True)
    presence.reconnected(500)
    presence.runtime("far", "ready", 500.1)
    assert causes(presence, 559) == []
    assert live(presence) == ["p1"]
    assert causes(presence, 560) == [("p1", "expired")]


def test_a_goodbye_was_said_by_the_runtime_itself(presence: Presence) -> None:
    presence.heard(record(), 60, 0, retained=False)
    presence.cleared("pump", "p1")
    assert causes(presence, 100) == []
    assert live(presence) == []


def test_a_device_that_keeps_its_own_entry_is_spoken_for(presence: Presence) -> None:
    presence.heard(record(runtime=""), None, 0, retained=False)
    [came] = presence.due(0)
    assert came.cause == "registered"
    presence.said(came)
    presence.heard(record(runtime=""), None, 1, retained=False)
    assert presence.due(1) == []
    presence.cleared("pump", "p1")
    [went] = presence.due(1)
    assert went.cause == "deregistered"
    presence.said(went)
    assert presence.due(1) == []


def test_a_device_that_was_there_before_us_does_not_come_again(presence: Presence) -> None:
    presence.heard(record(runtime=""), None, 0, retained=True)
    assert causes(presence, 1) == []
    assert live(presence) == ["p1"]


def test_one_runtime_speaks_at_once_and_the_others_each_a_grace_later() -> None:
    names = ["a", "b", "c", "d"]
    presences = {name: Presence(name, GRACE) for name in names}
    for name, presence in presences.items():
        for other in names:
            if other != name:
                presence.heard(record(instance=other, runtime=other), 600, 0, retained=False)
        presence.heard(record(), 600, 0, retained=False)
        presence.runtime("far", "lost", 0)
    speakers = [[name for name in names if presences[name].due(now)] for now in (2, 4, 6, 8)]
    assert [len(said) for said in speakers] == [1, 2, 3, 4]


def test_the_next_in_rank_is_silent_once_the_entry_is_cleared() -> None:
    one, two = Presence("one", GRACE), Presence("two", GRACE)
    one.heard(record(instance="2", runtime="two"), 600, 0, retained=False)
    two.heard(record(instance="1", runtime="one"), 600, 0, retained=False)
    for presence in (one, two):
        presence.heard(record(), 600, 0, retained=False)
        presence.runtime("far", "lost", 0)
    first, second = (one, two) if one.due(2) else (two, one)
    assert not second.due(2)
    second.cleared("pump", "p1")
    assert second.due(4) == []
    assert first.due(4)


def test_different_losses_have_different_speakers() -> None:
    one = Presence("one", GRACE)
    one.heard(record(instance="2", runtime="two"), 600, 0, retained=False)
    for n in range(50):
        one.heard(record(instance=f"i{n}", runtime=f"r{n}"), 600, 0, retained=False)
        one.runtime(f"r{n}", "lost", 0)
    assert 10 < len(one.due(2)) < 40


def test_what_our_former_life_left_is_ours_to_say(presence: Presence) -> None:
    presence.left_over(record(runtime="me"), 30, 5, retained=True)
    presence.left_over(record(runtime="me", instance="old"), -1, 5, retained=True)
    assert causes(presence, 5) == [("p1", "lost"), ("old", "expired")]
    assert live(presence) == []


def test_an_echo_of_what_we_have_just_ended_is_no_former_life(presence: Presence) -> None:
    presence.left_over(record(runtime="me"), 30, 5, retained=False)
    assert causes(presence, 6) == []
    presence.cleared("pump", "p1")
    assert causes(presence, 60) == []


def test_no_more_entries_are_remembered_than_the_bound(presence: Presence) -> None:
    for n in range(MAX_ENTRIES + 10):
        presence.heard(record(instance=str(n)), 60, 0, retained=True)
    assert len(live(presence)) == MAX_ENTRIES
