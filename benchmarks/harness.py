"""Processes to measure in, and things that are measured in turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

ROOT = Path(__file__).parent.parent
_LONGEST = 900.0  # seconds for one measurement; what takes longer hangs

Sample: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[], Awaitable[Sample]]


class ChildFailed(Exception):
    """A process of a measurement ended without a result."""


class Child:
    """A process that speaks as `child.py` says."""

    def __init__(self, module: str, process: asyncio.subprocess.Process, log: BinaryIO) -> None:
        self._module = module
        self._process = process
        self._log = log

    async def ready(self) -> dict[str, Any]:
        """Return what it says with `ready`."""
        word, _, values = (await self._line()).partition(" ")
        if word != "ready":
            raise ChildFailed(f"{self._module} said {word!r} and not ready")
        found: dict[str, Any] = json.loads(values)
        return found

    async def result(self) -> dict[str, Any]:
        """Return its report."""
        found: dict[str, Any] = json.loads(await self._line())
        return found

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, in all its threads, to 10 ms."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime

    def most_memory(self) -> int:
        """The most bytes that it had in memory at once."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(_LONGEST):
            line = await self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise ChildFailed(f"{self._module} failed:\n{self._log.read().decode()[-4000:]}")
        return line.decode()


@contextlib.asynccontextmanager
async def child(module: str, **values: Any) -> AsyncIterator[Child]:
    """A process that runs a module of this package; it ends with the block."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"benchmarks.{module}",
            json.dumps(values),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
        )
        try:
            yield Child(module, process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def alone(module: str, **values: Any) -> dict[str, Any]:
    """The report of a process that needs nobody else."""
    async with child(module, **values) as process:
        return await process.result()


async def in_turn(rounds: int, things: Mapping[str, Measure]) -> dict[str, list[Sample]]:
    """Measure each thing in each round, one after another, so that a noisy minute meets all."""
    samples: dict[str, list[Sample]] = {name: [] for name in things}
    for number in range(rounds):
        for name, measure in things.items():
            sample = await measure()
            samples[name].append(sample)
            shown = ", ".join(f"{key} {value:,.5g}" for key, value in sample.items())
            print(f"  round {number + 1}: {name}: {shown}", file=sys.stderr, flush=True)
    return samples
