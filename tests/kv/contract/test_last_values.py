"""Every store can tell the last value of a key when it ends (`kv.events.value`)."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.modules.kv.last_values import MAX_VALUE
from dskity.modules.kv.store import StoreChange
from dskity.modules.kv.values import thaw
from tests.kv.contract.conftest import Harness
from tests.waiting import until


def ends(harness: Harness) -> list[StoreChange]:
    """What was told of keys that ended."""
    return [change for change in harness.made if change.kind != "set"]


@pytest.mark.parametrize("value", [{"user": "ada"}, "text", "", 0, False, None, [1, None]])
async def test_the_end_of_a_key_tells_its_value(telling: Harness, value: Any) -> None:
    """Deleted, swept, or found at its end by a write; null is told as a value."""
    await telling.put("deleted", value)
    await telling.store.delete("deleted", None)
    await telling.put("swept", value, ttl=0.05)
    await telling.passes(0.06)
    await telling.expired("swept", 2)
    told = ends(telling)
    assert [(change.kind, change.key) for change in told] == [
        ("deleted", "deleted"),
        ("expired", "swept"),
    ]
    for change in told:
        assert change.value is not None
        assert thaw(change.value) == value


async def test_the_value_is_the_last_one_that_was_written(telling: Harness) -> None:
    await telling.put("k", "first", ttl=60)
    await telling.put("k", "second", ttl=0.05)
    await telling.passes(0.06)
    await telling.expired("k", 2)
    assert [thaw(change.value) for change in ends(telling)] == ["second"]


async def test_a_write_that_finds_a_key_at_its_end_tells_it(telling: Harness) -> None:
    await telling.store.stop()  # so that no sweep is first
    await telling.put("k", "old", ttl=0.05)
    await telling.passes(0.06)
    await telling.put("k", "new")
    assert [(change.kind, thaw(change.value)) for change in ends(telling)] == [("expired", "old")]


async def test_large_values_of_many_keys_all_end_once(telling: Harness) -> None:
    """More than one answer of Redis may hold; 8 MB in all."""
    value = "x" * (MAX_VALUE - 2)
    for number in range(32):
        await telling.put(f"k{number}", value, ttl=0.5)
    await telling.passes(0.6)
    await until(lambda: len(ends(telling)) >= 32, "all ended")
    assert {change.key for change in ends(telling)} == {f"k{number}" for number in range(32)}
    assert [thaw(change.value) == value for change in ends(telling)] == [True] * 32


async def test_a_store_that_is_not_asked_to_tells_none(harness: Harness) -> None:
    await harness.put("k", "v")
    await harness.store.delete("k", None)
    await harness.put("k", "v", ttl=0.05)
    await harness.passes(0.06)
    await harness.expired("k", 2)
    assert [change.value for change in ends(harness)] == [None, None]
