"""FastStream's MQTT broker (zmqtt) with a pydantic-typed subscriber; its per-message log is off."""

from __future__ import annotations

from faststream.mqtt import MQTTBroker, QoS

from benchmarks.child import ready
from benchmarks.consumer import Meter, handler, main
from benchmarks.workload import FILTER


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`."""
    broker = MQTTBroker(f"mqtt://127.0.0.1:{port}", client_id="bench-faststream", logger=None)
    broker.subscriber(FILTER, qos=QoS(qos))(handler(meter))
    async with broker:
        await broker.start()
        ready()
        await meter.finished()


if __name__ == "__main__":
    main(consume)
