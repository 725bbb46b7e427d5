"""gmqtt's message callback and a decode; at QoS 1 each is acknowledged after its handler."""

from __future__ import annotations

from typing import Any

from gmqtt import Client  # type: ignore[import-untyped]

from benchmarks.child import ready
from benchmarks.consumer import Meter, handler, main
from benchmarks.workload import FILTER, Reading


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`."""
    handle = handler(meter)

    async def on_message(*message: Any) -> int:
        _, _, payload, _, _ = message  # client, topic, payload, qos, properties
        await handle(Reading.model_validate_json(payload))
        return 0

    client = Client("bench-gmqtt", optimistic_acknowledgement=False)
    client.on_message = on_message
    await client.connect("127.0.0.1", port)
    client.subscribe(FILTER, qos=qos)
    ready()
    await meter.finished()
    await client.disconnect()


if __name__ == "__main__":
    main(consume)
