"""Whether something on a port speaks MQTT: more than that the port is open."""

from __future__ import annotations

import asyncio
import contextlib

from dskity.broker.wire import MQTT_5, MQTT_311, Version

# CONNECT, clean session, keep alive 5 s, no client id; most brokers know the one of 3.1.1.
_CONNECT: dict[Version, bytes] = {
    MQTT_311: b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00",
    MQTT_5: b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x00",
}
_DISCONNECT = b"\xe0\x00"
_CONNACK = 0x20
_CONNACK_BYTES = 4  # MQTT 5 adds properties, of no interest here


async def speaks_mqtt(
    host: str, port: int, timeout: float = 1.0, *, version: Version = MQTT_311
) -> bool:
    """Connect, and see whether a CONNACK comes; one that says "not authorised" will do."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_CONNECT[version])
                answer = await reader.readexactly(_CONNACK_BYTES)
                writer.write(_DISCONNECT)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    return answer[0] == _CONNACK
