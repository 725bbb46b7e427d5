"""A loop over aiomqtt's messages, as its README shows it, and a decode."""

from __future__ import annotations

import aiomqtt

from benchmarks.child import ready
from benchmarks.consumer import Meter, handler, main, until_finished
from benchmarks.workload import FILTER, Reading


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`. aiomqtt acknowledges on arrival, whatever becomes of the handler."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="bench-aiomqtt") as client:
        await client.subscribe(FILTER, qos=qos)
        ready()
        await until_finished(_loop(client, meter), meter)


async def _loop(client: aiomqtt.Client, meter: Meter) -> None:
    handle = handler(meter)
    async for message in client.messages:
        await handle(Reading.model_validate_json(message.payload))


if __name__ == "__main__":
    main(consume)
