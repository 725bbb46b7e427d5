"""Our SQLite files: durable when a call returns, and clear about what is wrong with them."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dskity.bus.errors import Conflict, StateUnusable, StoreUnavailable
from dskity.bus.store.database import Database

SCHEMA = "CREATE TABLE t (n INTEGER)"


def database(path: Path | None, version: int = 1) -> Database:
    return Database(path, what="the test file", schema=SCHEMA, version=version)


def put(number: int) -> object:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (number,)).lastrowid


async def count(db: Database) -> int:
    return await db.run(lambda c: int(c.execute("SELECT count(*) FROM t").fetchone()[0]))


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for expected in (1, 2):
        db = database(path)
        await db.open()
        await db.run(put(expected))  # type: ignore[arg-type]
        assert await count(db) == expected
        await db.close()


async def test_an_error_of_one_undoes_it_alone(tmp_path: Path) -> None:
    db = database(tmp_path / "a.db")
    await db.open()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (99)")
        raise Conflict("no")

    results = await asyncio.gather(
        db.run(put(1)),  # type: ignore[arg-type]
        db.run(fail),
        db.run(put(2)),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    assert isinstance(results[1], Conflict)
    assert await count(db) == 2
    await db.close()


async def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StateUnusable, match=r"a\.db.*damaged; move it to another place"):
        await database(path).open()
    assert path.read_bytes().startswith(b"this is no database")


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    newer = database(path, version=7)
    await newer.open()
    await newer.close()
    with pytest.raises(StateUnusable, match=r"version 7.*newer"):
        await database(path).open()


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="writable"):
        await database(tmp_path / "no" / "a.db").open()


async def test_a_closed_file_says_so() -> None:
    db = database(None)
    with pytest.raises(StoreUnavailable, match="not open"):
        await db.run(put(1))  # type: ignore[arg-type]


async def test_a_full_disk_fails_all_that_was_asked_and_keeps_the_rest(tmp_path: Path) -> None:
    db = database(tmp_path / "a.db")
    await db.open()
    await db.run(put(1))  # type: ignore[arg-type]
    await db.run(lambda c: c.execute("PRAGMA max_page_count = 3").fetchone())
    big = "x" * 100_000
    with pytest.raises(StoreUnavailable, match="full"):
        await db.run(lambda c: c.execute("INSERT INTO t VALUES (?)", (big,)).lastrowid)
    assert await count(db) == 1
    await db.close()


async def test_what_is_asked_after_the_disk_failed_to_undo_is_answered(tmp_path: Path) -> None:
    """The thread lives on; else whoever asks would wait for ever."""
    db = database(tmp_path / "a.db")
    await db.open()

    def break_off(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # what SQLite does by itself on some errors
        raise sqlite3.OperationalError("disk I/O error")

    def take_away(connection: sqlite3.Connection) -> None:
        connection.close()  # every call fails from now on, ROLLBACK too
        raise sqlite3.OperationalError("disk I/O error")

    for breaks in (break_off, take_away):
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(5):
                await db.run(breaks)
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(5):
            await db.run(put(1))  # type: ignore[arg-type]
    await db.close()


def test_a_process_that_never_closed_its_file_ends_all_the_same(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from dskity.bus.store.database import Database\n"
        "async def main():\n"
        "    db = Database(pathlib.Path(sys.argv[1]), what='f', schema='CREATE TABLE t (n)')\n"
        "    await db.open()\n"
        "    await db.run(lambda c: c.execute('INSERT INTO t VALUES (1)').lastrowid)\n"
        "    raise SystemExit(3)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.db")]
    assert subprocess.run(command, check=False, timeout=20).returncode == 3
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
    connection.close()


class _NoMemory:
    """A connection on which SQLite has no memory, as long as `short`."""

    short = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, *arguments: object) -> sqlite3.Cursor:
        if self.short:
            raise MemoryError
        return self._connection.execute(*arguments)  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()


async def test_a_machine_without_memory_fails_what_is_asked_and_the_thread_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's SQLITE_NOMEM is a MemoryError, and no `sqlite3.Error`."""
    db = database(tmp_path / "a.db")
    connect = db._connect
    monkeypatch.setattr(db, "_connect", lambda: _NoMemory(connect()))
    await db.open()
    with pytest.raises(StoreUnavailable, match="MemoryError"):
        async with asyncio.timeout(5):
            await db.run(put(1))  # type: ignore[arg-type]
    monkeypatch.setattr(_NoMemory, "short", False)
    async with asyncio.timeout(5):
        await db.run(put(2))  # type: ignore[arg-type]
        assert await count(db) == 1
    await db.close()


@pytest.mark.parametrize("error", [SystemExit(1), StopIteration(), GeneratorExit()], ids=repr)
async def test_work_that_raises_oddly_is_answered_with_what_is_asked_beside_it(
    tmp_path: Path, error: BaseException
) -> None:
    def odd(_: sqlite3.Connection) -> None:
        raise error

    db = database(tmp_path / "a.db")
    await db.open()
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(
            db.run(odd),
            db.run(put(1)),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], RuntimeError)
        assert await count(db) == 1
    await db.close()


async def test_a_machine_without_threads_is_named_and_the_file_can_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    db = database(tmp_path / "a.db")
    monkeypatch.setattr(threading.Thread, "start", no_room)
    with pytest.raises(StateUnusable, match="can't start new thread: let this user have more"):
        await db.open()
    assert not db.is_open
    await db.close()
