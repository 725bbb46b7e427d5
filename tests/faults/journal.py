"""Numbers on disk, one a line, each with its moment: what a process that may be killed has done;
and what its log says.

A line is one `write` to a file opened for appending, so it is whole or not there, and what the
kernel has taken outlives the process.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path


class Journal:
    """The writing end."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, number: int) -> None:
        """Append a number, and when it was; on Linux all processes have that clock in common."""
        os.write(self._file, b"%d %.3f\n" % (number, time.monotonic()))


class Ledger:
    """The reading end: how often each number is in it, and in which order, and when, they came."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.counts: Counter[int] = Counter()
        self.order: list[int] = []
        self.moments: list[float] = []

    def note(self, number: int) -> None:
        """Count a number that was seen in this process."""
        self.counts[number] += 1
        self.order.append(number)
        self.moments.append(time.monotonic())

    def update(self) -> Ledger:
        """Read what is new."""
        if not self._path.exists():
            return self
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        words = whole.split()
        numbers = [int(word) for word in words[::2]]
        self.counts.update(numbers)
        self.order += numbers
        self.moments += [float(word) for word in words[1::2]]
        return self

    @property
    def lines(self) -> int:
        """All that was noted, duplicates too."""
        return len(self.order)


class Sayings:
    """How often each of `phrases` is in a log that grows."""

    def __init__(self, path: Path, *phrases: str) -> None:
        self._path = path
        self._read = 0
        self._counts = Counter(dict.fromkeys(phrases, 0))

    def count(self, phrase: str) -> int:
        """Read what is new; how often it is there by now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for each in self._counts:
                self._counts[each] += whole.count(each.encode())
        return self._counts[phrase]
