"""A command in a process of its own, whose lines are read and waited for."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Program:
    """`python -m …` in a folder; standard error is among the lines."""

    def __init__(self, *command: str, folder: Path = ROOT) -> None:
        self.lines: list[str] = []
        self._silent = False
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """All lines so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, within: float = 20.0) -> re.Match[str]:
        """The first line that matches."""
        found: re.Match[str] | None = None

        def look() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None or self._silent

        with self._news:
            self._news.wait_for(look, within)
        assert found is not None, f"no {pattern!r} within {within:g} s in:\n{self.output}"
        return found

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, within: float = 20.0) -> int:
        """The exit status, once it has ended and all its lines are read."""
        status = self._process.wait(within)
        self._reader.join(within)
        return status

    def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self.ended()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()


@contextlib.contextmanager
def running(*command: str, folder: Path = ROOT) -> Iterator[Program]:
    """The program, for as long as the block lasts."""
    program = Program(*command, folder=folder)
    try:
        yield program
    finally:
        program.close()


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found |= {child, *descendants(child)}
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie does not."""
    return {pid for pid in pids if _state(pid) not in {"", "Z", "X"}}


def gone(pids: set[int], within: float = 10.0) -> bool:
    """Whether none of them is left after a while."""
    deadline = time.monotonic() + within
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pids)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
