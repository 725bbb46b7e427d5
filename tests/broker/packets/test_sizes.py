"""What is too large for any packet is refused before it is sent."""

from __future__ import annotations

import pytest

from dskity.broker.packets.sizes import LARGEST, publish_size
from dskity.bus.errors import TooLarge
from dskity.bus.message import Message
from tests.broker.scripted import LANES, Brokers, started
from tests.waiting import until


async def test_no_packet_is_larger_than_mqtt_can_tell() -> None:
    """Also where the broker names no bound: its length would be malformed."""
    transport = Brokers("a", [(lane, "a") for lane in LANES.values()]).transport()
    await started(transport)
    try:
        await until(lambda: transport.connected, "the transport is connected")
        room = LARGEST - publish_size(Message("t", b"", 1), properties=True) - 3
        await transport.publish(Message("t", bytes(room), 1))
        with pytest.raises(TooLarge, match="MQTT has"):
            await transport.publish(Message("t", bytes(room + 1), 1))
    finally:
        await transport.close()
