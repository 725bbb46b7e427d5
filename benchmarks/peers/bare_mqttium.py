"""A loop over mqttium's messages and a decode; at QoS 1 each is acknowledged after its handler."""

from __future__ import annotations

from mqttium.api import AsyncClient
from mqttium.enums import MQTTProtocolVersion

from benchmarks.child import ready
from benchmarks.consumer import Meter, handler, main, until_finished
from benchmarks.workload import FILTER, Reading


async def consume(port: int, qos: int, meter: Meter) -> None:
    """See `Consume`."""
    client = AsyncClient(
        "bench-mqttium",
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=qos > 0,
        max_inbound_inflight=65_535,  # mosquitto 2.0.11 oversteps a smaller one
    )
    await client.connect("127.0.0.1", port)
    await client.subscribe(FILTER, qos=qos)
    ready()
    await until_finished(_loop(client, meter, acknowledge=qos > 0), meter)
    await client.disconnect()


async def _loop(client: AsyncClient, meter: Meter, *, acknowledge: bool) -> None:
    handle = handler(meter)
    async for message in client.messages():
        await handle(Reading.model_validate_json(message.payload))
        if acknowledge:
            await client.ack(message)


if __name__ == "__main__":
    main(consume)
