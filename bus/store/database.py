"""A SQLite file of ours in `state_dir`: one thread owns it, and what is asked together is
committed together.

A commit with `synchronous=FULL` waits for the disk, some milliseconds on flash. Work that arrives
meanwhile shares the next one, so that the number of messages a second is not bounded by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from dskity.bus.base.private import ensure_private
from dskity.bus.base.threads import blocking
from dskity.bus.errors import StateUnusable, StoreUnavailable

T = TypeVar("T")
_MAKE_WRITABLE = "make the directory writable and check the free space of the disk"
_MORE_THREADS = "let this user have more processes (ulimit -u, TasksMax), or free memory"
_MOST_TOGETHER = 2000  # pieces of work in one commit, so that nobody waits for ever
_Work = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]


class Database:
    """`path` None keeps it in memory. `what` names the file in errors, as in `the outbox`.

    `schema` makes the tables of a new file, whose `user_version` is `version`.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        what: str,
        schema: str,
        version: int = 1,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> None:
        self._path = path
        self._what = what
        self._schema = schema
        self._version = version
        self._synchronous = synchronous
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether it takes work."""
        return self._thread is not None

    async def open(self) -> None:
        """Open or make the file; `StateUnusable` says what is wrong with it and what to do."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[Any] = self._loop.create_future()
        # A daemon: a process that ends without `close` must not wait for it. Killed in the middle
        # of a commit it leaves what a crash leaves, and that is what SQLite is made for.
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name=self._what, daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no room for one more
            self._thread = None
            raise StateUnusable(f"{self._what} cannot be used: {error}: {_MORE_THREADS}") from error
        try:
            await opened
        except StateUnusable:
            await blocking(self._thread.join)
            self._thread = None
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, once it is on the disk; `StoreUnavailable` where it cannot be.

        `work` is a transaction of its own: if it raises, nothing of it stays.
        """
        return await self.begin(work)

    def begin(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """As `run`, for those who must hear of the end when they are cancelled meanwhile too."""
        if self._loop is None or self._thread is None:
            raise StoreUnavailable(f"{self._what} is not open")
        done: asyncio.Future[T] = self._loop.create_future()
        self._work.put((work, done))
        return done

    async def close(self) -> None:
        """Finish what was asked, then close."""
        if self._thread is None:
            return
        self._work.put(None)
        thread, self._thread = self._thread, None
        await blocking(thread.join)

    # The thread

    def _run(self, opened: asyncio.Future[Any]) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001  # also MemoryError; whoever opens it waits
            self._answer([(opened, None, self._unusable(error))])
            return
        self._answer([(opened, None, None)])
        try:
            while (batch := self._gather()) is not None:
                self._answer(self._commit(connection, batch))
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._path is not None:
            ensure_private(self._path, self._what)  # SQLite gives the mode to its other files too
        target = ":memory:" if self._path is None else str(self._path)
        connection = sqlite3.connect(target, isolation_level=None, timeout=5)
        connection.text_factory = _text
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > self._version:
            raise StateUnusable(
                f"{self._what} ({self._path}) is of version {found}, written by a newer DSkity: "
                f"update this one, which knows {self._version}, or move the file to another place"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        if found < self._version:
            connection.executescript(self._schema)
            connection.execute(f"PRAGMA user_version = {self._version}")
        faults = connection.execute("PRAGMA quick_check(1)").fetchone()
        if faults != ("ok",):
            raise sqlite3.DatabaseError(str(faults[0]))

    def _unusable(self, error: Exception) -> StateUnusable:
        if isinstance(error, StateUnusable):
            return error
        if isinstance(error, sqlite3.OperationalError):
            fix = _MAKE_WRITABLE
        else:
            fix = "it is damaged; move it to another place to start with an empty one"
        return StateUnusable(f"{self._what} ({self._path}) cannot be used: {error}: {fix}")

    def _gather(self) -> list[_Work] | None:
        """The next piece of work and what came with it; None at the end."""
        first = self._work.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < _MOST_TOGETHER:
            try:
                following = self._work.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._work.put(None)  # for the next round
                break
            batch.append(following)
        return batch

    def _commit(
        self, connection: sqlite3.Connection, batch: list[_Work]
    ) -> list[tuple[asyncio.Future[Any], Any, Exception | None]]:
        answers: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, done in batch:
                answers.append((done, *self._one(connection, work)))
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # SQLite without memory raises MemoryError
            with contextlib.suppress(Exception):  # it may have rolled back, or be broken
                connection.execute("ROLLBACK")
            said = error if isinstance(error, sqlite3.Error) else repr(error)
            failure = StoreUnavailable(f"{self._what} cannot be written: {said}: {_MAKE_WRITABLE}")
            return [(done, None, failure) for _, done in batch]
        return answers

    @staticmethod
    def _one(
        connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Any]
    ) -> tuple[Any, Exception | None]:
        """One piece of work; an error of its own undoes it alone, one of the disk ends all."""
        connection.execute("SAVEPOINT one")
        try:
            result = work(connection)
        except (sqlite3.Error, MemoryError):
            raise
        except BaseException as error:  # noqa: BLE001  # it goes to whoever asked
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, _for_a_future(error)
        connection.execute("RELEASE one")
        return result, None

    def _answer(self, answers: list[tuple[asyncio.Future[Any], Any, Exception | None]]) -> None:
        assert self._loop is not None  # noqa: S101  # set before the thread began
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, answers)


def _text(data: bytes) -> str:
    """A text column. Where the file is damaged it may be no UTF-8: an error here would fail the
    query for the sake of one row, so a reader of the row sees surrogates in it instead."""
    return data.decode(errors="surrogateescape")


def _for_a_future(error: BaseException) -> Exception:
    """As one that a future takes, and that ends neither the thread nor the event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = RuntimeError(f"the work raised {error!r}")
    failure.__cause__ = error
    return failure


def _resolve(answers: list[tuple[asyncio.Future[Any], Any, Exception | None]]) -> None:
    for done, result, error in answers:
        if done.done():  # whoever asked was cancelled
            continue
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)
