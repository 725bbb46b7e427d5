"""The file: bounded, and the same after a restart."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import StateUnusable
from dskity.modules.dead_letters.bounds import Bounds
from dskity.modules.dead_letters.store import Choice, DeadLetterStore
from tests.dead_letters.post import letter

ANY = Choice()


@asynccontextmanager
async def opened(
    path: Path | None = None, bounds: Bounds | None = None, clock: VirtualClock | None = None
) -> AsyncIterator[DeadLetterStore]:
    store = DeadLetterStore(path, bounds, clock or VirtualClock())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def topics(store: DeadLetterStore, choice: Choice = ANY) -> list[str]:
    entries, _ = await store.page(choice, 1000)
    return [entry.topic for entry in entries]


async def test_a_letter_is_kept_once_and_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    async with opened(path) as store:
        assert await store.add(letter("a"))
        assert not await store.add(letter("a"))
    async with opened(path) as store:
        assert not await store.add(letter("a"))
        assert await store.get([letter("a").id]) == [letter("a")]
        assert await store.remove([letter("a").id, "unknown"]) == 1
        assert await store.add(letter("a"))


async def test_at_the_bound_on_their_number_the_oldest_are_deleted_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that came first, whatever time they tell; the log says it once."""
    caplog.set_level(logging.WARNING)
    async with opened(bounds=Bounds(letters=3)) as store:
        for number in range(6):
            await store.add(letter(f"t{number}", at=1e9 - number))
        assert sorted(await topics(store)) == ["t3", "t4", "t5"]
        assert store.dropped == 3
    assert [record.message[:26] for record in caplog.records] == ["the bound of 3 dead letter"]


async def test_at_the_bound_on_bytes_as_many_are_deleted_as_it_takes() -> None:
    """One that is larger than the bound is not kept, and deletes none."""
    async with opened(bounds=Bounds(bytes=4096)) as store:
        for number in range(4):
            await store.add(letter(f"small{number}", b"." * 100))
        await store.add(letter("large", b"." * 3600))
        assert await topics(store) == ["large"]
        assert not await store.add(letter("huge", b"." * 4096))
        assert await topics(store) == ["large"]
        assert store.dropped == 5


async def test_removing_makes_room(tmp_path: Path) -> None:
    """Also after a restart: the file itself knows how much is in it."""
    bounds = Bounds(letters=2)
    async with opened(tmp_path / "d.db", bounds) as store:
        for name in "ab":
            await store.add(letter(name))
        await store.remove([letter("a").id])
    async with opened(tmp_path / "d.db", bounds) as store:
        await store.add(letter("c"))
        assert sorted(await topics(store)) == ["b", "c"]
        assert store.dropped == 0


async def test_what_is_too_old_is_gone() -> None:
    clock = VirtualClock()
    async with opened(bounds=Bounds(seconds=60), clock=clock) as store:
        await store.add(letter("old"))
        await clock.advance(59)
        await store.add(letter("new"))
        await clock.advance(1)
        assert await topics(store) == ["new"]
        assert (store.expired, store.dropped) == (1, 0)


async def test_nothing_is_too_old_without_a_bound_on_age() -> None:
    clock = VirtualClock()
    async with opened(bounds=Bounds(seconds=None), clock=clock) as store:
        await store.add(letter("old"))
        await clock.advance(1e9)
        assert await topics(store) == ["old"]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(), ["plant/a/t", "plant/b/t", "site", "$SYS/x"]),
        (Choice(topic="plant/+/t"), ["plant/a/t", "plant/b/t"]),
        (Choice(topic="#"), ["plant/a/t", "plant/b/t", "site"]),
        (Choice(handler="climate.Climate.read"), ["plant/a/t"]),
        (Choice(handler="climate"), ["plant/a/t", "plant/b/t"]),
        (Choice(handler="clim"), []),
        (Choice(topic="plant/a/#", handler="climate"), ["plant/a/t"]),
        (Choice(topic="site", handler="climate"), []),
    ],
)
async def test_they_are_chosen_by_topic_and_by_handler_or_module(
    choice: Choice, chosen: list[str]
) -> None:
    """A wildcard does not match a leading `$`."""
    async with opened() as store:
        kept = {
            "plant/a/t": "climate.Climate.read",
            "plant/b/t": "climate.Climate.log",
            "site": "climates.Sites.read",
            "$SYS/x": "watch.W.see",
        }
        for at, (topic, handler) in enumerate(kept.items()):
            await store.add(letter(topic, handler=handler, at=at))
        assert await topics(store, choice) == chosen
        assert len(await store.ids(choice)) == len(chosen)
        assert (await store.page(choice, 1))[1] == len(chosen)


async def test_pages_follow_each_other() -> None:
    async with opened() as store:
        for number in range(5):
            await store.add(letter("t", at=number))
        first, total = await store.page(ANY, 2)
        second, _ = await store.page(ANY, 2, first[-1].id)
        last, _ = await store.page(ANY, 2, second[-1].id)
        assert [len(first), len(second), len(last), total] == [2, 2, 1, 5]
        assert [entry.id for entry in (*first, *second, *last)] == await store.ids(ANY)


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StateUnusable, match="the file of dead letters"):
        async with opened(tmp_path / "d.db"):
            pass


@pytest.mark.parametrize("damage", ["'{'", "'[]'", "'{\"a\": 1}'", "cast(x'ff' AS TEXT)", "x'00'"])
async def test_a_damaged_row_costs_its_headers_only(damage: str) -> None:
    """The others are listed, and the payload can still be sent back."""
    statement = f"UPDATE letters SET headers = {damage} WHERE number = 1"
    async with opened() as store:
        for topic in ("a", "b"):
            await store.add(letter(topic))
        await store._database.run(lambda db: db.execute(statement).rowcount)
        assert sorted(await topics(store)) == ["a", "b"]
        [found, whole] = await store.get([letter("a").id, letter("b").id])
        assert "damaged" in found.entry().error
        assert (found.again().payload, whole) == (letter("a").payload, letter("b"))
