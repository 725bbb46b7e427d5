"""The devices of the greenhouse: MQTT clients of another library (paho), in their own process.

    python devices.py --port 1883

- `north` and `south` send a reading every `--interval` seconds. `south` is old: it speaks MQTT
  3.1.1, and one of its readings in ten is garbled.
- `vent-1` obeys `open` and `close`, and answers. Open, it cools the north.
- `panel` shows what is published to `greenhouse/panel`.
- `watcher` listens to the filters of `--watch`.

What they do and hear is on standard output, one JSON object a line. They end when standard input
does, and so with the process that started them, whatever becomes of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

KEEPALIVE = 30
SUN, SHADE, WIND = 36.0, 22.0, 17.0  # degrees that the air drifts towards
DRIFT = 0.08  # of the way, with each reading
GARBLED = {9: b"\xfe\xed\x00 no JSON at all", 19: b'{"celsius": "warm"}'}
"""What a bad sensor sends instead of these, of each twenty readings."""

_printing = threading.Lock()


class Device:
    """One client: it comes back by itself, and then subscribes anew."""

    def __init__(
        self, name: str, filters: Sequence[str] = (), protocol: MQTTProtocolVersion = paho.MQTTv5
    ) -> None:
        self.name = name
        self.filters = filters
        self.ready = threading.Event()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"greenhouse-{name}", protocol=protocol
        )
        self.client.reconnect_delay_set(1, 5)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._heard

    def start(self, host: str, port: int) -> None:
        """Begin to connect."""
        self.client.connect_async(host, port, KEEPALIVE)
        self.client.loop_start()

    def stop(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()

    def say(self, event: str, **fields: Any) -> None:
        """A line on standard output; `at` is when, in Unix seconds."""
        line = json.dumps({"device": self.name, "event": event, "at": time.time(), **fields})
        with _printing:
            print(line, flush=True)

    def hear(self, message: paho.MQTTMessage) -> None:
        """A message came."""
        headers = dict(getattr(message.properties, "UserProperty", ()))
        payload = message.payload.decode(errors="backslashreplace")
        self.say("heard", topic=message.topic, payload=payload, headers=headers)

    def _connected(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            self.say("refused", payload=str(reason))
        elif self.filters:
            self.client.subscribe([(filter, 1) for filter in self.filters])
        else:
            self.ready.set()

    def _heard(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        self.hear(message)


class Air:
    """The air of a zone."""

    def __init__(self, outside: float) -> None:
        self.outside = outside
        self.celsius = 24.0

    def drift(self) -> float:
        """The temperature, a little later."""
        self.celsius += (self.outside - self.celsius) * DRIFT + random.uniform(-0.1, 0.1)
        return round(self.celsius, 1)


class Sensor(Device):
    """Measures the air of its zone; `garbles` makes it a bad one."""

    def __init__(self, zone: str, air: Air, *, garbles: bool = False, **options: Any) -> None:
        super().__init__(zone, **options)
        self.air = air
        self.garbles = garbles
        self.sequence = 0

    def measure(self) -> None:
        """Send a reading; while the broker is away, paho keeps it."""
        self.sequence += 1
        reading = {
            "celsius": self.air.drift(),
            "humidity": round(random.uniform(45, 65), 1),
            "sequence": self.sequence,
            "at": time.time(),
        }
        self.client.publish(f"greenhouse/{self.name}/telemetry", self._payload(reading), qos=1)

    def _payload(self, reading: dict[str, Any]) -> bytes:
        payload = json.dumps(reading).encode()
        return GARBLED.get(self.sequence % 20, payload) if self.garbles else payload


class Vent(Device):
    """Opens and closes, and answers each command as far as its MQTT version allows."""

    def __init__(self, name: str, air: Air, **options: Any) -> None:
        super().__init__(name, [f"devices/{name}/commands/+"], **options)
        self.air = air

    def hear(self, message: paho.MQTTMessage) -> None:
        """A command came."""
        super().hear(message)
        command = json.loads(message.payload)
        answer: dict[str, Any] = {"id": command["id"]}
        word = message.topic.rpartition("/")[2]
        if word in {"open", "close"}:
            self.air.outside = WIND if word == "open" else SUN
            answer |= {"state": "succeeded", "result": {"vent": word}}
        else:
            answer |= {"state": "rejected", "error": f"a vent cannot {word}"}
        topic, properties = self._way_back(message)
        self.client.publish(topic, json.dumps(answer), qos=1, properties=properties)

    @staticmethod
    def _way_back(message: paho.MQTTMessage) -> tuple[str, Properties | None]:
        """MQTT 5 brings a response topic; on 3.1.1 there is one by agreement."""
        asked: Any = message.properties
        if asked is None or not hasattr(asked, "ResponseTopic"):
            return f"{message.topic}/reply", None
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.CorrelationData = asked.CorrelationData
        return asked.ResponseTopic, properties


def main() -> None:
    """Run all of them until standard input ends."""
    options = _options()
    modern = paho.MQTTv5 if options.mqtt == "5" else paho.MQTTv311
    north = Air(SUN)
    sensors = [
        Sensor("north", north, protocol=modern),
        Sensor("south", Air(SHADE), garbles=True, protocol=paho.MQTTv311),
    ]
    others = [
        Vent("vent-1", north, protocol=modern),
        Device("panel", ["greenhouse/panel"], protocol=modern),
    ]
    if options.watch:
        others.append(Device("watcher", options.watch, protocol=modern))
    over = threading.Event()
    worker = threading.Thread(target=_work, args=(options, sensors, others, over))
    worker.start()
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    over.set()
    worker.join()
    for device in (*sensors, *others):
        device.stop()


def _work(
    options: argparse.Namespace,
    sensors: Sequence[Sensor],
    others: Sequence[Device],
    over: threading.Event,
) -> None:
    """The sensors begin when everybody else can hear them."""
    for devices in (others, sensors):
        for device in devices:
            device.start(options.host, options.port)
        for device in devices:
            while not device.ready.wait(0.1) and not over.is_set():
                pass
            device.say("ready")
    while not over.wait(options.interval):
        for sensor in sensors:
            sensor.measure()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The devices of the greenhouse.")
    parser.add_argument("--host", default="127.0.0.1", help="the broker")
    parser.add_argument("--port", type=int, default=1883, help="the broker's port")
    parser.add_argument("--mqtt", choices=["5", "3.1.1"], default="5", help="what it speaks")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between readings")
    parser.add_argument("--watch", action="append", default=[], help="a filter to listen to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
