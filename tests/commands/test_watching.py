"""What waits for a watcher that does not read."""

from __future__ import annotations

from dskity.modules.commands.watching import Changes, Watchers
from dskity.modules.contract import Execution


def change(state: str, size: int = 0) -> Execution:
    return Execution("e", "vent", "open", state, progress="x" * size)


async def test_the_oldest_changes_go_and_never_the_last() -> None:
    """Bounded in number and in bytes."""
    changes = Changes(limit=2, max_bytes=100)
    for state in ("accepted", "sent", "in_progress"):
        changes.put(change(state), 10)
    assert (await changes.get()).state == "sent"
    changes.put(change("succeeded"), 500)
    assert (await changes.get()).state == "succeeded"
    changes.put(change("failed"), 10)
    assert (await changes.get()).state == "failed"


async def test_a_watcher_that_never_reads_holds_a_bounded_number_of_bytes() -> None:
    """However much its device says on the way: 1 MiB here, of 50."""
    watchers = Watchers()
    with watchers.changes("e") as changes:
        for _ in range(50):
            watchers.tell(change("in_progress", 1024 * 1024))
        watchers.tell(change("succeeded"))
        assert (await changes.get()).state == "succeeded"
        watchers.tell(change("failed", 10))
        assert (await changes.get()).state == "failed"
