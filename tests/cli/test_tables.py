"""Tables: folded to the width of a terminal, one line a row in a pipe."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LETTER = {
    "id": "19ab3f2c1d0e4-0123abcd",
    "topic": "plant/hall-1/line-7/station/with/a/long/name/telemetry",
    "handler": "thermostat.Thermostat.telemetry",
    "attempts": 3,
    "replays": 0,
    "error": "InvalidPayload: 2 faults\n  celsius: Field required\n  humidity: \x1b[31mgone",
}
SHOW = f"""
from dskity.cli.dead_letters import _rows
from dskity.process.terminal import print_table
print_table(("id", "topic", "handler", "tries", "replays", "error"), _rows([{LETTER!r}] * 2))
"""
COMMAND = (sys.executable, "-c", SHOW)
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "xterm"}


def test_in_a_pipe_each_dead_letter_is_one_line() -> None:
    """Whatever is in its error, for `grep` and `cut`; control characters are escaped."""
    result = subprocess.run(
        COMMAND, env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=True
    )
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["id", "topic", "handler", "tries", "replays", "error"]
    assert len(rows) == 2
    for row in rows:
        assert row.startswith(f"{LETTER['id']}  {LETTER['topic']}  {LETTER['handler']}  3 ")
        assert row.endswith("celsius: Field required humidity: \\x1b[31mgone")


def test_on_a_terminal_of_80_columns_no_line_is_longer() -> None:
    """What does not fit is folded; the id is whole."""
    master, slave = pty.openpty()
    with subprocess.Popen(COMMAND, env=ENVIRONMENT, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while chunk := os.read(master, 4096):
                shown += chunk
        assert process.wait(30) == 0
    os.close(master)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(str(LETTER["id"])) for line in lines) == 2
