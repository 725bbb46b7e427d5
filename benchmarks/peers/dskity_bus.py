"""DSkity with its defaults: dispatcher, bus and MQTT transport."""

from __future__ import annotations

from benchmarks.child import ready
from benchmarks.consumer import Meter, handler, main
from benchmarks.houses import on_broker
from benchmarks.workload import FILTER


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`."""
    async with on_broker(port, "bench-dskity") as bus:
        await bus.subscribe(FILTER, handler(meter), qos=qos)
        ready()
        await meter.finished()


if __name__ == "__main__":
    main(consume)
