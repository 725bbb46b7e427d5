"""The key-value store in memory: writing, what a key takes, and how late expired keys are told."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.child import Stopwatch, arguments, report
from benchmarks.houses import in_memory
from dskity.bus.delivery import Delivery
from dskity.modules.kv.module import build_kv
from dskity.modules.kv.service import KeyValue

_PAGE = 4096
_PER_SECOND = 5_000  # keys that expire in a second
_NEVER = 0.0
_LONG = 3600.0
_TURN = 1000  # writes between two turns of the loop, as a busy server has them


async def main(writes: int, keys: int) -> None:
    """The process."""
    async with in_memory() as house:
        kv = build_kv("inmemory", bus=house.bus)
        await kv.start()
        without = await _put(kv, writes, _NEVER)
        with_ttl = await _put(kv, writes, _LONG)
        before = _resident()
        await _fill(kv, keys)
        taken = (_resident() - before) / keys
        await kv.stop()
    lateness = await _expire(keys)
    report(
        {
            "without": without["rate"],
            "cpu_without": without["cpu"],
            "with_ttl": with_ttl["rate"],
            "cpu_with_ttl": with_ttl["cpu"],
            "bytes": taken,
            **lateness,
        }
    )


async def _put(kv: KeyValue, count: int, ttl: float) -> dict[str, float]:
    names = [f"room/{number % 10_000}" for number in range(count)]
    watch = Stopwatch()
    for name in names:
        await kv.put(name, 21.5, ttl)
    return watch.per(count)


async def _fill(kv: KeyValue, keys: int) -> None:
    for number in range(keys):
        await kv.put(f"sensor/{number:07}/temperature", 21.5, _LONG)
        if number % _TURN == 0:
            await asyncio.sleep(0)


async def _expire(keys: int) -> dict[str, float]:
    """Milliseconds from a key's deadline to its event at a subscriber, and events missed."""
    late: list[float] = []
    deadlines: dict[str, float] = {}

    def expired(delivery: Delivery, captures: Mapping[str, str]) -> None:
        late.append((time.monotonic() - deadlines.pop(captures["key"])) * 1000)
        delivery.done()

    async with in_memory() as house:
        await house.bus.attach(f"{house.bus.root}/kv/expired/{{key}}", expired)
        kv = build_kv("inmemory", bus=house.bus)
        await kv.start()
        first = time.monotonic() + 2 + keys / 50_000  # when all of them are written
        for number in range(keys):
            await _put_until(kv, deadlines, str(number), first + number / _PER_SECOND)
            if number % _TURN == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(first + keys / _PER_SECOND - time.monotonic() + 1)
        await kv.stop()
    late.sort()
    return {"late": late[int(len(late) * 0.99)], "missed": float(len(deadlines))}


async def _put_until(kv: KeyValue, deadlines: dict[str, float], key: str, deadline: float) -> None:
    now = time.monotonic()
    deadlines[key] = deadline
    await kv.put(key, 21.5, deadline - now)


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


if __name__ == "__main__":
    given = arguments()
    asyncio.run(main(given["writes"], given["keys"]))
