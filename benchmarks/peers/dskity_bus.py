"""DSkity with its defaults: dispatcher, bus and MQTT transport, over the named client library."""

from __future__ import annotations

from benchmarks.child import arguments, ready
from benchmarks.consumer import Meter, handler, main
from benchmarks.houses import on_broker
from benchmarks.workload import FILTER


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`."""
    async with on_broker(port, arguments()["client"], "bench-dskity") as bus:
        await bus.subscribe(FILTER, handler(meter), qos=qos)
        ready()
        await meter.finished()


if __name__ == "__main__":
    main(consume)
