"""A foreign MQTT client, as devices have: paho on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

HOST = "127.0.0.1"


@dataclass
class Device:
    """One client; `received` has (topic, payload, qos, retain) in the order of arrival."""

    port: int
    client_id: str = ""
    clean: bool = True
    user: tuple[str, str] | None = None
    will: str | None = None
    keepalive: int = 60
    transport: Literal["tcp", "websockets"] = "tcp"
    received: list[tuple[str, bytes, int, bool]] = field(default_factory=list)
    resumed: bool = False

    def __post_init__(self) -> None:
        self._answers: dict[int, Any] = {}
        self._answered = threading.Condition()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=self.clean,
            protocol=MQTTProtocolVersion.MQTTv311,
            transport=self.transport,
            reconnect_on_failure=False,
        )
        if self.user is not None:
            self.client.username_pw_set(*self.user)
        if self.will is not None:
            self.client.will_set(self.will, b"gone", qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_unsubscribe = self._on_unsubscribe
        self.client.on_message = self._on_message

    async def connect(self) -> int:
        """The CONNACK's reason code, 0 for success."""
        await asyncio.to_thread(self.client.connect, HOST, self.port, self.keepalive)
        self.client.loop_start()
        return int(await self._answer(0))

    async def subscribe(self, filter: str, qos: int = 1) -> int:
        """The granted QoS, or 128 and above for a refusal."""
        _, mid = self.client.subscribe(filter, qos)
        assert mid is not None
        return int(await self._answer(mid))

    async def unsubscribe(self, filter: str) -> None:
        """Return when the broker has acknowledged it."""
        _, mid = self.client.unsubscribe(filter)
        assert mid is not None
        await self._answer(mid)

    async def publish(
        self, topic: str, payload: bytes = b"x", qos: int = 1, *, retain: bool = False
    ) -> None:
        """Return when it is acknowledged (QoS 0: written)."""
        info = self.client.publish(topic, payload, qos, retain)
        await asyncio.to_thread(info.wait_for_publish, 10)
        assert info.is_published()

    async def disconnect(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def vanish(self) -> None:
        """Close the connection without a goodbye."""
        sock = self.client.socket()
        assert sock is not None
        sock.close()
        await asyncio.to_thread(self.client.loop_stop)

    async def _answer(self, mid: int) -> Any:
        def wait() -> Any:
            with self._answered:
                assert self._answered.wait_for(lambda: mid in self._answers, 10), "no answer"
                return self._answers.pop(mid)

        return await asyncio.to_thread(wait)

    def _note(self, mid: int, answer: Any) -> None:
        with self._answered:
            self._answers[mid] = answer
            self._answered.notify_all()

    def _on_connect(self, _c: Any, _u: Any, flags: Any, reason: Any, _p: Any) -> None:
        self.resumed = flags.session_present
        self._note(0, reason.value)

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: Any, _p: Any) -> None:
        self._note(mid, reasons[0].value)

    def _on_unsubscribe(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        self._note(mid, None)

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self.received.append((message.topic, payload, message.qos, message.retain))


@contextlib.asynccontextmanager
async def device(port: int, client_id: str = "", **options: Any) -> AsyncIterator[Device]:
    """A connected device that says goodbye at the end."""
    it = Device(port, client_id, **options)
    assert await it.connect() == 0
    try:
        yield it
    finally:
        await it.disconnect()
