"""A second Ctrl-C that comes while the main thread holds what the report waits for."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERRUPTED = """
import asyncio, logging, signal, sys, time

from dskity.composition.stopping import Stopping

handler = logging.StreamHandler(sys.stdout)
logging.getLogger("dskity").addHandler(handler)

async def main():
    with Stopping():
        with handler.lock:  # as in the middle of a line
            for _ in range({interrupts}):
                signal.raise_signal(signal.SIGINT)
            {inside}
        {outside}

asyncio.run(main())
"""


def _interrupted(
    interrupts: int, *, inside: str = "pass", outside: str = "pass"
) -> tuple[int, str]:
    """The status and the lines of a program that interrupts itself."""
    program = INTERRUPTED.format(interrupts=interrupts, inside=inside, outside=outside)
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=20
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("interrupts", [2, 3, 20])
def test_it_reports_once_though_it_interrupts_a_log_line(interrupts: int) -> None:
    """The handler returns, so that the line is written and the log is free again."""
    status, lines = _interrupted(interrupts, outside="time.sleep(20)")
    assert (status, lines.splitlines()) == (
        130,
        ["stopped at once by a second Ctrl-C", "cut off: the start was not complete"],
    )


def test_it_ends_though_the_log_never_gets_free() -> None:
    assert _interrupted(2, inside="time.sleep(20)") == (130, "")


def test_its_status_stays_where_the_drain_ends_first() -> None:
    """Who pressed it twice has not seen a drained end."""
    status, lines = _interrupted(2)
    assert status == 130
    assert "stopped at once by a second Ctrl-C" in lines
