"""A program that we run and that cannot outlive us.

It gets a session of its own, so that Ctrl-C in the terminal reaches us alone and we stop it when
the handlers are done. That session also hides our death from it, and a runtime that is killed
(`kill -9`, out of memory) tells nobody; so a shell of a few hundred KiB sits in the same session
and reads from a pipe that only we hold open. When the pipe closes, for whatever reason, it sends
SIGTERM to its own process group: the program and itself, never a process that got a recycled id.
(Linux' PR_SET_PDEATHSIG would be shorter, but needs Python code between fork and exec, is bound to
the thread that started the child, and is cleared when the program changes its user.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from dskity.bus.base import tasks
from dskity.bus.errors import EngineError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Sequence

_TAIL_LINES = 20
# Background commands of a shell get /dev/null as standard input, so the pipe moves to 3 first.
_SCRIPT = """
exec 3<&0 </dev/null
( read -r _ <&3; kill -TERM 0 ) >/dev/null 2>&1 &
exec "$@" 3<&-
"""


class Child:
    """One run of a program; `on_line` gets each line of its standard error."""

    def __init__(
        self, name: str, process: Process, lifeline: int, on_line: Callable[[str], None]
    ) -> None:
        self._name = name
        self._process = process
        self._lifeline: int | None = lifeline
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reader = tasks.keep_running(self._read, name=f"{name} stderr")

    @classmethod
    async def spawn(cls, command: Sequence[str], on_line: Callable[[str], None]) -> Child:
        """Start `command`; `EngineError` where the system cannot."""
        name = Path(command[0]).name
        try:
            theirs, ours = os.pipe()
        except OSError as error:  # EMFILE: they are all in use, for now
            raise EngineError(f"cannot start {command[0]}: {error}") from error
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", _SCRIPT, command[0], *command,
                stdin=theirs,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except BaseException as error:
            os.close(ours)
            if isinstance(error, OSError):
                raise EngineError(f"cannot start {command[0]}: {error}") from error
            raise
        finally:
            os.close(theirs)
        return cls(name, process, ours, on_line)

    @property
    def pid(self) -> int:
        """The program's process id (the shell becomes the program)."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines it wrote."""
        return tuple(self._tail)

    async def wait(self) -> int:
        """Its exit status once it has ended; negative for a signal."""
        status = await self._process.wait()
        await asyncio.wait({self._reader})
        self._let_go()
        return status

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; returns when it is gone."""
        try:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            async with asyncio.timeout(grace):
                await self.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.wait()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)

    async def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  # asked for in spawn()
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # asyncio has dropped it; a full pipe would stop the program
                line = b"(a line of more than 64 KiB)"
            if not line:
                return
            self._hear(line.decode(errors="replace").rstrip())

    def _hear(self, text: str) -> None:
        self._tail.append(text)
        tasks.call(f"{self._name} line", self._on_line, text)
