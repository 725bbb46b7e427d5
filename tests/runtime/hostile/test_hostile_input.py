"""What strangers send to a whole runtime, through every door: it stays connected and ready, and
answers an error where somebody asked. Real mosquitto, real HTTP, real MQTT clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings
from dskity.bus import envelope
from dskity.bus.bus import Bus
from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from dskity.handlers import Dispatcher
from tests.engines.device import device
from tests.runtime.house import House, on_broker, started, write_module
from tests.servers import HOST, mosquitto
from tests.waiting import until

ENVELOPE = b'{"specversion":"1.0","type":"dev.dskity.message.v1",'
CORPUS = {
    "empty": b"",
    "deep": b"[" * 1024,
    "deeper": b'{"a":' * 200_000,
    "closed": b"[" * 150_000 + b"]" * 150_000,
    "long": b'{"state": "' + b"x" * 1_000_000 + b'"}',
    "surrogate": rb'{"state": "\ud800", "key": "\ud800"}',
    "encoded surrogate": b'"\xed\xa0\x80"',
    "no number": b'{"state": NaN, "ttl_seconds": Infinity}',
    "overflow": b'{"ttl_seconds": 1e999, "key": -1e999}',
    "huge integer": b'{"ttl_seconds": ' + b"9" * 5000 + b"}",
    "no UTF-8": b"\xff\xfe{",
    "NUL": b"\x00\x00",
    "list": b"[1]",
    "null": b"null",
    "text": b'"x"',
    "wrong types": b'{"state": {}, "key": [], "id": 7, "metadata": [], "ttl_seconds": {}}',
    "control characters": json.dumps(
        {"key": "a\nb\x1b", "target": "a\x01", "command": "\x7f"}
    ).encode(),
    "envelope deep": ENVELOPE + b'"data":' + b"[" * 200_000,
    "envelope replyto": ENVELOPE + rb'"replyto":"a\u0001b","data":1}',
    "envelope header": ENVELOPE + rb'"replyto":"a","h_a":"\n","data":1}',
    "envelope surrogate": ENVELOPE + rb'"replyto":"\ud800","data":1}',
}
TOLD = (
    "dskity/registry/svc/inst",
    "dskity/registry/svc/inst/up",
    "dskity/registry/svc/inst/down",
    "dskity/registry/%0A%00/%ED%A0%80",
    "dskity/runtime/x/state",
    "dskity/services/ping",
    "dskity/services/info/svc",
    "dskity/dead-letter/a/b",
    "dskity/dead-letters/forget",
    "devices/d1/commands/go/reply",
    "typed",
)
ASKED = (
    *(f"dskity/kv/{verb}" for verb in ("get", "put", "delete", "keys")),
    *(f"dskity/dead-letters/{verb}" for verb in ("list", "show", "replay", "drop")),
    "dskity/commands/execute",
    "typed",
)
POSTED = ("/kv", "/commands/d1/go", "/webhooks/any")

MODULE = """
    from pydantic import BaseModel, field_validator

    from dskity.modules import Module, ModuleMeta, on

    class Reading(BaseModel):
        celsius: float

        @field_validator("celsius", mode="before")
        @classmethod
        def odd(cls, value):
            if value == "odd":
                raise KeyError("a validator may raise anything")
            return value

    class Typed(Module):
        meta = ModuleMeta("typed")

        @on("typed")
        async def typed(self, reading: Reading) -> Reading:
            return reading

        @on("fails/{how}")
        async def fails(self, how: str) -> None:
            if how == "pydantic":
                Reading.model_validate_json('{"celsius": "hot\\\\u0000\\\\n"}')
            if how == "surrogate":
                raise ValueError("\\ud800\\ufffe")
            raise ValueError("".join(map(chr, [*range(0x20), *range(0x7f, 0xa0)])))
"""


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[House, Bus, int]]:
    """A runtime on mosquitto, and a stranger on MQTT 5 who makes requests."""
    write_module(folder, "typed.py", MODULE)
    hooks = {"any": {"preset": "none", "topic": "hooks/{type}"}}
    with mosquitto() as broker:
        settings = ConnectionSettings(f"mqtt://{HOST}:{broker.port}", "stranger", protocol="5")
        async with started(folder, common=on_broker(broker.port), webhooks=hooks) as house:
            dispatcher = Dispatcher()
            stranger = Bus(AiomqttTransport(settings), dispatcher, root="stranger")
            await stranger.start()
            await stranger.link.wait_connected(5)
            try:
                yield house, stranger, broker.port
            finally:
                await dispatcher.close()
                await stranger.close()


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[tuple[House, Bus, int]]:
    async with opened(tmp_path) as doors:
        yield doors


async def is_well(house: House) -> None:
    """Connected ever since, ready, and serving."""
    bus = house.runtime.bus
    await house.runtime.clients.kv.put("well", True)
    assert (await bus.request("dskity/kv/get", {"key": "well"})).json()["value"] is True
    assert await house.unready() == {}
    assert (bus.connected, bus.link.connections) == (True, 1)


async def test_what_is_told_is_heard_or_left(doors: tuple[House, Bus, int]) -> None:
    """By a 3.1.1 client, retained and not."""
    house, _, port = doors
    async with device(port) as client:
        for topic in TOLD:
            for payload in CORPUS.values():
                await client.publish(topic, payload, retain=payload is not CORPUS["long"])
        for reply in ("x", "0" * 24):
            for payload in CORPUS.values():
                await client.publish(f"dskity/reply/{house.runtime.bus.client_id}/{reply}", payload)
    await is_well(house)


async def answer(stranger: Bus, topic: str, payload: bytes) -> tuple[int, str]:
    """The status of a reply, and the text of an error."""
    try:
        await stranger.request(topic, payload, timeout=5)
    except RemoteError as error:
        return error.status, str(error)
    return 200, ""


@pytest.mark.parametrize("topic", ASKED)
async def test_what_is_asked_is_answered(doors: tuple[House, Bus, int], topic: str) -> None:
    """With an error that is the caller's, or with what it was a fair question for."""
    house, stranger, _ = doors
    for name, payload in CORPUS.items():
        status, text = await answer(stranger, topic, payload)
        assert 400 <= status < 500 or topic == "dskity/kv/keys", (name, status, text)
        assert text.isprintable()
    await is_well(house)


@pytest.mark.parametrize("path", POSTED)
async def test_what_is_posted_is_answered(doors: tuple[House, Bus, int], path: str) -> None:
    house, _, _ = doors
    for name, payload in CORPUS.items():
        response = await house.http.post(path, content=payload)
        assert response.status_code < 500, (name, response.text)
    await is_well(house)


@pytest.mark.parametrize("how", ["pydantic", "surrogate", "controls"])
async def test_the_dead_letter_of_an_error_with_any_text_is_taken(
    doors: tuple[House, Bus, int], how: str
) -> None:
    """mosquitto closes the connection on a control character in a header: they are escaped."""
    house, stranger, _ = doors
    letters: list[Message] = []

    async def heard(message: Message) -> None:
        letters.append(message)

    await stranger.subscribe("dskity/dead-letter/#", heard)
    await stranger.publish(f"fails/{how}", b"\x00\n")
    await until(lambda: letters, "the dead letter")
    [letter] = letters
    assert letter.payload == b"\x00\n"
    assert letter.headers["dskity-error"].isprintable()
    assert letter.headers["dskity-topic"] == f"fails/{how}"
    await is_well(house)


FORBIDDEN = {
    "/topics/a%01b": {},
    "/topics/a%09b": {},
    "/topics/a%C2%85b": {},
    "/topics/a%EF%BF%BEb": {},
    "/requests/a%7Fb": {},
    "/topics/a?one": {"ce-id": "a%0Ab"},
    "/topics/a?two": {"Dskity-Header-A%0D": "x"},
    "/topics/a?three": {"Dskity-Header-A": "a%00"},
    "/topics/a?four": {"Content-Type": "text/a\x85".encode("latin-1")},
    "/commands/a%01b/go": {},
    "/commands/d1/g%0Ao": {},
    "/commands/d1/go?key": {"Idempotency-Key": "a\x9bb".encode("latin-1")},
}


@pytest.mark.parametrize("path", FORBIDDEN)
async def test_text_that_may_not_travel_is_refused(
    doors: tuple[House, Bus, int], path: str
) -> None:
    """400, and it says which character."""
    house, _, _ = doors
    headers: Any = FORBIDDEN[path]
    response = await house.http.post(path.partition("?")[0], headers=headers, content=b"{}")
    assert response.status_code == 400, response.text
    assert " U+" in response.json()["detail"]
    await is_well(house)


@pytest.mark.parametrize("key", ["a%09b", "%1B%5D", "a%C2%9Bb"])
async def test_so_it_is_in_a_key(doors: tuple[House, Bus, int], key: str) -> None:
    house, _, _ = doors
    response = await house.http.put(f"/kv/{key}", json={"value": 1})
    assert response.status_code == 400, response.text
    assert " U+" in response.json()["detail"]
    await is_well(house)


async def test_a_topic_that_a_broker_did_not_check_is_handled(tmp_path: Path) -> None:
    """amqtt hands on any text. The dead letter would end the connection to a stricter broker, so
    its topic and headers are escaped."""
    write_module(tmp_path, "typed.py", MODULE)
    async with started(tmp_path, broker={"engine": "amqtt"}) as house:
        async with device(house.broker_port) as client:
            await client.subscribe("dskity/dead-letter/#")
            await client.publish("fails/a\x01\nb\x9b", b"x")
            await until(lambda: client.received, "the dead letter")
            [(topic, payload, _, _)] = client.received
        assert topic == r"dskity/dead-letter/fails/a\x01\x0ab\x9b"
        letter = envelope.unwrap(payload, 0.0)
        assert letter is not None
        assert letter[0] == b"x"
        assert letter[1].headers["dskity-topic"] == r"fails/a\x01\x0ab\x9b"
        await is_well(house)
