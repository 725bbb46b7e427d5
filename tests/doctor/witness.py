"""What a broker does, seen by a foreign client (paho) that shares no code with the examination."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.servers import HOST

PATIENCE = 10.0  # seconds for what is sure to come
QUIET = 0.5  # seconds after which what has not come does not come
QUEUED = 1_200
_names = itertools.count()


class Eye:
    """One connection. Messages are acknowledged only with `acknowledge`."""

    def __init__(
        self, port: int, five: bool, name: str = "", *, clean: bool = True, acknowledge: bool = True
    ) -> None:
        self.five = five
        self.messages: list[paho.MQTTMessage] = []
        self.over = False
        self._answers: dict[tuple[str, int], Any] = {}
        self._changed = threading.Condition()
        kept: dict[str, Any] = {} if five else {"clean_session": clean}
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name or f"eye-{next(_names)}",
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=not acknowledge,
            **kept,
        )
        self.client.on_connect = lambda _c, _u, flags, _r, _p: self._note("connect", 0, flags)
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self._note("sub", mid, codes[0])
        self.client.on_unsubscribe = lambda _c, _u, mid, _r, _p: self._note("unsub", mid, True)
        self.client.on_publish = lambda _c, _u, mid, code, _p: self._note("pub", mid, code)
        self.client.on_message = self._on_message
        self.client.on_disconnect = self._on_disconnect
        more: dict[str, Any] = {"clean_start": clean} if five else {}
        if five and not clean:
            more["properties"] = _properties(PacketTypes.CONNECT, SessionExpiryInterval=60)
        self.client.connect(HOST, port, 30, **more)
        self.client.loop_start()
        assert self._answer("connect", 0), "no CONNACK"

    def subscribe(self, filter: str, qos: int = 1, identifier: int | None = None) -> int:
        """The reason code of the SUBACK."""
        if not self.five:
            _, mid = self.client.subscribe(filter, qos)
        else:
            named = {} if identifier is None else {"SubscriptionIdentifier": identifier}
            _, mid = self.client.subscribe(
                filter,
                options=SubscribeOptions(qos),
                properties=_properties(PacketTypes.SUBSCRIBE, **named),
            )
        return int(self._answer("sub", mid or 0).value)

    def unsubscribe(self, filter: str) -> bool:
        """Whether it was answered."""
        _, mid = self.client.unsubscribe(filter)
        return self._answer("unsub", mid or 0, 1.0) is not None

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 1, **more: Any) -> int | None:
        """The reason code of the acknowledgement; None where the connection ended, or for QoS 0."""
        expiry = more.pop("expiry", None)
        if expiry is not None:
            more["properties"] = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
        sent = self.client.publish(topic, payload, qos, **more)
        code = self._answer("pub", sent.mid) if qos else None
        return None if code is None else int(code.value)

    def publish_many(self, topic: str, number: int) -> None:
        """Numbered, all acknowledged."""
        mids = [self.client.publish(topic, b"%d" % n, 1).mid for n in range(number)]
        for mid in mids:
            assert self._answer("pub", mid) is not None

    def seen(self, number: int = 1) -> int:
        """How many messages came: so many, or until it is quiet."""
        with self._changed:
            while len(self.messages) < number:
                if not self._changed.wait(QUIET):
                    break
            return len(self.messages)

    def leave(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Without a goodbye."""
        sock = self.client.socket()
        assert sock is not None
        sock.close()
        self.client.loop_stop()

    def _answer(self, kind: str, mid: int, within: float = PATIENCE) -> Any:
        key = kind, mid
        deadline = time.monotonic() + within
        with self._changed:
            while key not in self._answers and not self.over:
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    break
            return self._answers.pop(key, None)

    def _note(self, kind: str, mid: int, answer: Any) -> None:
        with self._changed:
            self._answers[kind, mid] = answer
            self._changed.notify_all()

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._changed:
            self.over = True
            self._changed.notify_all()


def _properties(kind: int, **values: Any) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


Fact = tuple[Literal["yes", "no"], str]


class Witness:
    """Facts about one broker by the names of the findings, as the examination should put them."""

    def __init__(self, port: int, *, five: bool) -> None:
        self._port, self._five = port, five

    def facts(self) -> dict[str, Fact]:
        """All that a foreign client can see."""
        return {
            "qos2": _fact(self._qos_2()),
            "shared": self._shared(),
            "retained": _fact(self._retained()),
            "redelivery": self._redelivery(),
            "persistent": self._queue(),
            "dollar_wildcards": _fact(not self._dollar()),
            "overlap": self._overlap(),
            "unsubscribe": _fact(self._unsubscribe(), "no answer in a resumed session"),
            "max_packet": self._sizes(),
            **self._of_mqtt_5(),
        }

    def _eye(self, name: str = "", **options: Any) -> Eye:
        return Eye(self._port, self._five, name, **options)

    def _qos_2(self) -> bool:
        eye = self._eye()
        granted = eye.subscribe("w/two", 2)
        eye.publish("w/two", qos=2)
        eye.seen()
        eye.leave()
        return granted == 2 and [message.qos for message in eye.messages] == [2]

    def _shared(self) -> Fact:
        eye = self._eye()
        refused = eye.subscribe("$share/g/w/shared") >= 0x80
        eye.publish("w/shared")
        came = eye.seen()
        eye.leave()
        lost = "refused" if refused else "granted, but nothing is delivered"
        return _fact(came > 0, lost)

    def _retained(self) -> bool:
        eye = self._eye()
        eye.publish("w/state", b"kept", retain=True)
        eye.subscribe("w/state")
        came = eye.seen()
        eye.publish("w/state", b"", retain=True)
        eye.leave()
        return came > 0

    def _redelivery(self) -> Fact:
        eye = self._eye("again", clean=False, acknowledge=False)
        eye.subscribe("w/again")
        eye.publish("w/again")
        assert eye.seen() == 1
        eye.vanish()
        eye = self._eye("again", clean=False)
        eye.seen()
        eye.leave()
        marked = all(message.dup for message in eye.messages)
        return _fact(bool(eye.messages), yes="" if marked else "not marked as duplicate")

    def _queue(self) -> Fact:
        self._away("queue", "w/queue")
        sender = self._eye()
        sender.publish_many("w/queue", QUEUED)
        sender.leave()
        eye = self._eye("queue", clean=False)
        kept = eye.seen(QUEUED)
        eye.leave()
        told = f"at least {kept:,}" if kept == QUEUED else f"{kept:,} of {QUEUED:,}"
        return _fact(kept > 0, yes=f"{told} messages")

    def _dollar(self) -> int:
        eye = self._eye()
        eye.subscribe("+/dollar")
        eye.publish("$w/dollar", qos=0)
        assert not eye.over, "the session ended"
        came = eye.seen()
        eye.leave()
        return came

    def _overlap(self) -> Fact:
        eye = self._eye()
        eye.subscribe("w/+/over", 1, 1)
        eye.subscribe("w/on/+", 1, 2)
        eye.publish("w/on/over")
        came = eye.seen(2)
        eye.leave()
        named = {
            identifier
            for message in eye.messages
            for identifier in getattr(message.properties, "SubscriptionIdentifier", ())
        }
        if named == {1, 2}:
            return "yes", "identified"
        return ("yes", "once") if came == 1 else ("no", "each")

    def _unsubscribe(self) -> bool:
        self._away("rid", "w/rid")
        eye = self._eye("rid", clean=False)
        answered = eye.unsubscribe("w/rid")
        eye.publish("w/rid")
        came = eye.seen()
        eye.leave()
        return answered and not came

    def _sizes(self) -> Fact:
        large = 16_385
        eye = self._eye()
        assert eye.publish("w/large", bytes(1_024 * 1_024)) in {0, 0x10}
        code = eye.publish("w/large", bytes(large * 1_024))
        if eye.over or code is None:
            eye.leave()  # its thread may still be sending
            return "no", f"takes 1,024 KiB, hangs up on {large:,} KiB"
        eye.leave()
        return "yes", f"at least {large:,} KiB"

    def _of_mqtt_5(self) -> dict[str, Fact]:
        if not self._five:
            none: Fact = ("no", "MQTT 3.1.1 has none")
            return {"expiry": none, "reports_no_match": none}
        eye = self._eye()
        told = eye.publish("w/nobody") == 0x10
        self._away("late", "w/late/+")
        eye.publish("w/late/short", expiry=1)
        eye.publish("w/late/lasting")
        time.sleep(2.2)  # MQTT counts in whole seconds
        late = self._eye("late", clean=False)
        late.seen(2)
        late.leave()
        eye.leave()
        topics = {message.topic for message in late.messages}
        assert "w/late/lasting" in topics
        return {"expiry": _fact("w/late/short" not in topics), "reports_no_match": _fact(told)}

    def _away(self, name: str, filter: str) -> None:
        eye = self._eye(name, clean=False)
        eye.subscribe(filter)
        eye.leave()


def _fact(holds: bool, no: str = "", *, yes: str = "") -> Fact:
    return ("yes", yes) if holds else ("no", no)
