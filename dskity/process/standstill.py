"""An event loop that stands still is named in the log, and does not keep the process from ending.

A handler or hook that never gives the loop back stops everything: messages, HTTP, keep-alives, and
the drain after SIGTERM. Nothing in the loop can tell of it, so a thread looks on. Code that holds
the interpreter's lock (a regular expression that backtracks, a huge power) stops this thread, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LATE = 5.0
"""Seconds without a turn of the loop, after which it stands still."""
EVERY = 60.0
"""Seconds between two reports of one stand-still."""
PATIENCE = 2.0
"""Seconds beyond the grace after which a loop that stands still is left."""
LONGEST = 30.0
"""Seconds beyond twice the grace after which the end is over, whatever hangs in it: hooks and
connections have time-outs of their own, which are shorter."""
_LOOK = 0.5
_FRAMES = 12
_logger = logging.getLogger("dskity")


class Standstill:
    """Looks on from a thread. `told()` is when the process was told to end (monotonic seconds), or
    None; `left()` is what is cut off then, a sentence each."""

    def __init__(
        self, grace: float, told: Callable[[], float | None], left: Callable[[], Iterator[str]]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._grace = grace
        self._told = told
        self._left = left
        self._turned = self._asked = time.monotonic()
        self._reported = 0.0
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look on during the block."""
        threading.Thread(target=self._watch, name="dskity-standstill", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            now = time.monotonic()
            stood = now - self._asked if self._turned < self._asked else 0.0
            if stood == 0.0:
                self._goes_on()
                self._asked = now
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._turn)
            elif stood >= LATE and now - max(self._reported, self._asked) >= self._pause():
                self._reported = now
                self._report(stood)
            self._end(now, stood)

    def _pause(self) -> float:
        return EVERY if self._reported > self._asked else 0.0

    def _goes_on(self) -> None:
        if self._reported:
            self._reported = 0.0
            _logger.warning(
                "the event loop runs again, after it was blocked for %.0f s",
                self._turned - self._asked,
            )

    def _report(self, stood: float) -> None:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001  # there is no other way
        lines = traceback.format_list(traceback.extract_stack(frame)[-_FRAMES:])
        _logger.error(  # one text: the line breaks of an argument would be escaped
            f"the event loop has been blocked for {stood:.0f} s in {_place(frame)}: no message, "  # noqa: G004
            "no HTTP call and no keep-alive is served until that returns; await, or make the "
            f"handler a plain function, which runs in a thread\n{''.join(lines)}"
        )

    def _end(self, now: float, stood: float) -> None:
        told = self._told()
        if told is None:
            return
        if stood and now - told >= self._grace + PATIENCE:
            reason = "the event loop is blocked"
        elif now - told >= 2 * self._grace + LONGEST:
            reason = "the shutdown takes too long"
        else:
            return
        _logger.error("the process exits without draining: %s", reason)
        with contextlib.suppress(Exception):  # it must end, whatever can be said about it
            for sentence in self._left():
                _logger.error("cut off: %s", sentence)
        logging.shutdown()
        os._exit(1)


def _place(frame: FrameType | None) -> str:
    """The innermost line outside of the standard library and of packages, which is the user's own;
    else the innermost one."""
    places = [(f.f_code.co_filename, line) for f, line in traceback.walk_stack(frame)]
    own = [place for place in places if not _is_installed(place[0])]
    file, line = next(iter(own or places), ("?", 0))
    return f"{file}:{line}"


def _is_installed(file: str) -> bool:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # a string compare
    library = os.path.dirname(asyncio.__file__)  # noqa: PTH120
    folders = (here, os.path.dirname(here), os.path.dirname(library))  # noqa: PTH120
    return "site-packages" in file or file.startswith("<") or file.startswith(folders)
