"""What every store does: values, versions, compare-and-set, time to live, and what it reports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dskity.bus.errors import Conflict, InvalidInput
from dskity.modules.kv.values import thaw
from tests.kv.contract.conftest import Harness
from tests.waiting import until

MISSING = object()


@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        0,
        -7,
        10**30,
        21.5,
        5e-324,
        "",
        "text",
        "bjørk ☂ \0",
        [],
        {},
        [1, [2, {"a": None}]],
        {"temperature": 21.5, "tags": ["a", "b"], "ok": True},
    ],
    ids=repr,
)
async def test_a_json_value_comes_back_equal(harness: Harness, value: Any) -> None:
    await harness.put("k", value)
    found = await harness.store.get("k", MISSING)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", float("nan"), [float("inf")], "\ud800"])
async def test_what_is_not_json_is_refused_and_changes_nothing(
    harness: Harness, value: Any
) -> None:
    await harness.put("k", "before")
    with pytest.raises(InvalidInput, match="a value is JSON"):
        await harness.put("k", value)
    entry = await harness.store.entry("k")
    assert entry is not None
    assert (entry.value, entry.version) == ("before", 1)


async def test_null_is_a_value_and_missing_is_not(harness: Harness) -> None:
    await harness.put("k", None)
    assert await harness.store.get("k", MISSING) is None
    assert await harness.store.get("other", MISSING) is MISSING
    assert await harness.store.entry("other") is None


async def test_a_stored_value_is_nobodys_object(harness: Harness) -> None:
    value = {"list": [1]}
    await harness.put("k", value)
    value["list"].append(2)
    (await harness.store.get("k", None))["list"].append(3)
    assert await harness.store.get("k", None) == {"list": [1]}


async def test_versions_start_at_one_and_grow_by_one(harness: Harness) -> None:
    assert [await harness.put("k", n) for n in range(3)] == [1, 2, 3]
    assert await harness.put("other") == 1
    entry = await harness.store.entry("k")
    assert entry is not None
    assert (entry.key, entry.value, entry.version, entry.expires_in) == ("k", 2, 3, None)


async def test_a_version_never_comes_twice_for_one_key(harness: Harness) -> None:
    for _ in range(3):
        await harness.put("k")
    await harness.store.delete("k", None)
    assert await harness.put("k") == 4
    await harness.put("k", ttl=0.02)
    await harness.passes(0.05)
    assert await harness.put("k") == 6


async def test_if_version_writes_only_on_the_version_that_was_read(harness: Harness) -> None:
    assert await harness.put("k", "a", if_version=0) == 1
    assert await harness.put("k", "b", if_version=1) == 2
    with pytest.raises(Conflict, match="is at version 2, not at 1"):
        await harness.put("k", "c", if_version=1)
    with pytest.raises(Conflict, match="is at version 2"):
        await harness.put("k", "c", if_version=0)
    with pytest.raises(Conflict, match="does not exist"):
        await harness.put("other", "c", if_version=1)
    assert await harness.store.get("k", None) == "b"


async def test_one_of_many_compare_and_sets_wins(harness: Harness) -> None:
    await harness.put("k", 0)
    tries = [harness.put("k", n, if_version=1) for n in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(str(type(r).__name__) for r in results) == ["Conflict"] * 9 + ["int"]


async def test_delete_says_whether_there_was_something(harness: Harness) -> None:
    await harness.put("k")
    with pytest.raises(Conflict):
        await harness.store.delete("k", 2)
    assert await harness.store.delete("k", 1) is True
    assert await harness.store.delete("k", None) is False
    assert await harness.store.get("k", MISSING) is MISSING
    with pytest.raises(Conflict, match="does not exist"):
        await harness.store.delete("k", 1)


async def test_keys_are_sorted_and_start_with_the_prefix_literally(harness: Harness) -> None:
    for key in ("b", "a/2", "a/1", "a*", "ax", "a[1]", "ä", "a\\", "a?"):
        await harness.put(key)
    assert await harness.store.keys("a/") == ["a/1", "a/2"]
    assert await harness.store.keys("a*") == ["a*"]
    assert await harness.store.keys("a[") == ["a[1]"]
    assert await harness.store.keys("a\\") == ["a\\"]
    assert await harness.store.keys("a?") == ["a?"]
    assert await harness.store.keys("none") == []
    assert await harness.store.keys("") == sorted(
        ["b", "a/2", "a/1", "a*", "ax", "a[1]", "ä", "a\\", "a?"]
    )


async def test_an_expired_key_is_not_there_for_any_method(harness: Harness) -> None:
    await harness.put("k", ttl=0.02)
    await harness.put("stays", ttl=None)
    await harness.passes(0.05)
    assert await harness.store.get("k", MISSING) is MISSING
    assert await harness.store.entry("k") is None
    assert await harness.store.keys("") == ["stays"]
    assert await harness.store.delete("k", None) is False
    assert await harness.put("k", if_version=0) == 2


async def test_a_fraction_of_a_second_is_a_time_to_live(harness: Harness) -> None:
    await harness.put("k", ttl=0.5)
    entry = await harness.store.entry("k")
    assert entry is not None
    assert entry.expires_in is not None
    assert 0 < entry.expires_in <= 0.5
    await harness.passes(0.55)
    assert await harness.store.entry("k") is None


async def test_the_end_of_a_key_is_reported_once_without_anybody_asking(harness: Harness) -> None:
    await harness.put("k", ttl=0.02)
    await harness.passes(0.02)
    await harness.expired("k", 1)
    await harness.passes(0.05)
    assert harness.kinds("k") == [("set", 1), ("expired", 1)]
    change = harness.made[-1]
    assert (change.previous, change.ttl) == (1, 0.02)


async def test_every_change_names_the_store(harness: Harness) -> None:
    """A set, a deletion and an end, found by the sweep or by a write, all name the same."""
    await harness.put("a")
    await harness.store.delete("a", None)
    await harness.put("b", ttl=0.02)
    await harness.passes(0.02)
    await harness.expired("b", 2)
    assert len(harness.made) == 4
    names = {change.store for change in harness.made}
    assert len(names) == 1
    assert names != {""}


async def test_a_write_moves_the_deadline(harness: Harness) -> None:
    await harness.put("later", ttl=0.03)
    await harness.put("later", ttl=60)
    await harness.put("never", ttl=0.03)
    await harness.put("never", ttl=None)
    await harness.put("gone", ttl=0.03)
    await harness.passes(0.04)
    await harness.expired("gone", 1)
    assert await harness.store.keys("") == ["later", "never"]
    assert harness.kinds("later") == [("set", 1), ("set", 2)]
    assert harness.kinds("never") == [("set", 1), ("set", 2)]


async def test_an_earlier_deadline_is_not_overslept(harness: Harness) -> None:
    await harness.put("late", ttl=600)
    await harness.put("early", ttl=0.02)
    await harness.passes(0.02)
    await harness.expired("early", 1)
    assert await harness.store.keys("") == ["late"]


async def test_a_deleted_key_does_not_expire(harness: Harness) -> None:
    await harness.put("k", ttl=0.02)
    await harness.store.delete("k", None)
    await harness.put("mark", ttl=0.03)
    await harness.passes(0.04)
    await harness.expired("mark", 2)
    assert harness.kinds("k") == [("set", 1), ("deleted", 1)]


async def test_many_keys_expire_each_once(harness: Harness) -> None:
    for n in range(200):
        await harness.put(f"k/{n:03}", ttl=0.02)
    await harness.passes(0.1)
    await until(lambda: len(harness.made) >= 400, "all expire")
    expired = [change.key for change in harness.made if change.kind == "expired"]
    assert sorted(expired) == [f"k/{n:03}" for n in range(200)]


async def test_every_change_is_seen_in_order_with_its_value(harness: Harness) -> None:
    await _heard(harness)
    await harness.put("k", {"a": 1})
    await harness.put("k", "é", ttl=0.02)
    await harness.passes(0.03)
    await harness.put("k", None)
    await harness.store.delete("k", None)
    wanted = [
        ("set", 1, 0, None, {"a": 1}),
        ("set", 2, 1, 0.02, "é"),
        ("expired", 2, 2, 0.02, None),
        ("set", 3, 0, None, None),
        ("deleted", 3, 3, None, None),
    ]
    await until(lambda: len(_seen(harness)) >= len(wanted), "all are seen")
    assert _seen(harness) == wanted
    made = [(c.kind, c.version, c.previous, c.ttl) for c in harness.made if c.key == "k"]
    assert made == [change[:4] for change in wanted]


def _seen(harness: Harness) -> list[tuple[Any, ...]]:
    return [
        (c.kind, c.version, c.previous, c.ttl, thaw(c.value) if c.kind == "set" else None)
        for c in harness.seen
        if c.key == "k"
    ]


async def _heard(harness: Harness) -> None:
    """Write until a write is seen: the feed of a server opens a moment after the start."""
    while not harness.seen:
        await harness.put("other")
        await asyncio.sleep(0.005)
