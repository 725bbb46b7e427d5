"""Processes that scenarios start, kill and start again: the worker, by its spec."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.journal import Ledger, Sayings
from tests.faults.worker import Spec
from tests.servers import HOST

ROOT = Path(__file__).parents[2]
_STARTED = "modules started:"
_CONNECTED = "dskity.mqtt: connected to"
_BROKEN = "dskity.bus.base.tasks:"


class Worker:
    """A runtime of ours in a process of its own; see `worker.py`.

    `before` are words in front of the command, of a program that changes its surroundings. `kills`
    counts them.
    """

    def __init__(self, folder: Path, spec: Spec, before: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kills = 0
        self.handled = Ledger(folder / "handled")
        self.dead = Ledger(folder / "dead")
        self.accepted = Ledger(folder / "accepted")
        self.refused = Ledger(folder / "refused")
        self._said = Sayings(folder / "log", _STARTED, _CONNECTED, _BROKEN)
        self._before = before
        self._lives_before = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.change(spec)

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def up(self) -> bool:
        """Whether it runs, and all its modules have been started since its last start."""
        return self.running and self.lives > self._lives_before

    @property
    def door(self) -> int:
        """The port of its HTTP door, 0 where that is closed."""
        return int(self.spec.settings.get("port", 0))

    @property
    def log(self) -> str:
        """What it has logged, in all its lives."""
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def lives(self) -> int:
        """How often it was up and handling."""
        return self._said.count(_STARTED)

    @property
    def connections(self) -> int:
        """How often it was connected to its broker with all subscriptions in place."""
        return self._said.count(_CONNECTED)

    @property
    def broken_tasks(self) -> int:
        """How often a task of it ended, or a callback failed, by an error that nobody foresaw."""
        return self._said.count(_BROKEN)

    @property
    def files(self) -> int:
        """Its open files and sockets."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self, field: str = "VmRSS") -> int:
        """In MiB; `VmHWM` is the most that it has had."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) // 1024

    def change(self, spec: Spec) -> None:
        """What it does from the next start on."""
        self.spec = spec
        spec.write(self.folder / "spec.json")

    def start(self) -> None:
        """Start it; what it does shows in its journals."""
        self._lives_before = self.lives
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, sys.executable, "-m", "tests.faults.worker",
                 str(self.folder / "spec.json")],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """`kill -9`, of one that runs: that it had ended by itself would be another fault."""
        status = self._end(signal.SIGKILL)
        assert status == -signal.SIGKILL, f"had ended with {status}:\n{self.log[-2000:]}"
        self.kills += 1

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def tell(self, number: signal.Signals) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def ended(self, within: float = 20.0) -> int:
        """The exit status, once it has ended by itself."""
        assert self._process is not None, "not started"
        return self._process.wait(within)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "not started"
        self._process.send_signal(number)
        return self._process.wait(30)


@contextmanager
def worker(folder: Path, spec: Spec, before: Sequence[str] = ()) -> Iterator[Worker]:
    """A worker that is started, and killed at the end if it still runs."""
    process = Worker(folder, spec, before)
    process.start()
    try:
        yield process
    finally:
        if process.running:
            process.kill()


def settings(
    folder: Path, port: int, *, client_id: str = "worker", mqtt: Any = None, **changes: Any
) -> dict[str, Any]:
    """The settings of a worker at the broker on `port`: doors closed, all else as it comes."""
    closed = {"enabled": False}
    return {
        "state_dir": str(folder / "state"),
        "modules_search_paths": [],
        "broker": {"engine": "none"},
        "common": {
            "registry": closed,
            "mqtt": {"url": f"mqtt://{HOST}:{port}", "client_id": client_id} | (mqtt or {}),
        },
        "http": closed,
        "grpc": closed,
        "shutdown_grace_seconds": 2,
    } | changes
