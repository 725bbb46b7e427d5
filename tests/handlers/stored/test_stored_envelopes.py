"""An enveloped request is answered in an envelope, whatever it waited in: real 3.1.1 clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dskity.broker.aiomqtt.transport import AiomqttTransport
from dskity.broker.settings import ConnectionSettings, ProtocolChoice
from dskity.bus import envelope
from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.bus.store.spool import Spool
from dskity.handlers import Dispatcher
from tests.engines.device import Device, device
from tests.servers import HOST, ServerProcess, mosquitto
from tests.waiting import until


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with mosquitto() as server:
        yield server


@asynccontextmanager
async def runtime(port: int, folder: Path, protocol: ProtocolChoice) -> AsyncIterator[Bus]:
    """A bus with its disk inbox, connected once the block has subscribed and calls `open`."""
    inbox = Spool(folder / "inbox.db", what="the inbox")
    await inbox.open()
    dispatcher = Dispatcher(inbox=inbox)
    settings = ConnectionSettings(f"mqtt://{HOST}:{port}", folder.name, protocol=protocol)
    bus = Bus(AiomqttTransport(settings), dispatcher)
    await bus.start(hold=True)
    await bus.link.wait_connected(5)
    try:
        yield bus
    finally:
        await dispatcher.close()
        await bus.close()
        await inbox.close()


def request(number: int) -> bytes:
    message = Message("ask", b"%d" % number, content_type="application/json", reply_to="answers/a")
    return envelope.wrap(message, "/device", 0.0)


async def double(number: int) -> int:
    return 2 * number


def answers(sender: Device) -> list[bytes]:
    return [payload for topic, payload, _, _ in sender.received if topic == "answers/a"]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("ack", ["handled", "stored"])
async def test_its_answer_is_an_envelope(
    server: ServerProcess, tmp_path: Path, ack: str, protocol: ProtocolChoice
) -> None:
    async with (
        device(server.port) as sender,
        runtime(server.port, tmp_path, protocol) as bus,
    ):
        await sender.subscribe("answers/#")
        await bus.subscribe("ask", double, ack=ack)
        bus.open()
        await sender.publish("ask", request(21))
        await until(lambda: answers(sender), "the answer")
        [answer] = answers(sender)
        assert json.loads(answer)["type"] == envelope.ENVELOPE_TYPE
        opened = envelope.unwrap(answer, 0.0)
        assert opened is not None
        assert opened[0] == b"42"


async def test_so_is_that_of_one_which_another_process_had_stored(
    server: ServerProcess, tmp_path: Path
) -> None:
    """On 3.1.1, where the envelope is all that carries a correlation."""
    begun = asyncio.Event()
    times: list[int] = []

    async def ask(number: int) -> int:
        """The first process never comes to its end."""
        times.append(number)
        if len(times) == 1:
            begun.set()
            await asyncio.Event().wait()
        return 2 * number

    async with device(server.port) as sender:
        await sender.subscribe("answers/#")
        async with runtime(server.port, tmp_path, "3.1.1") as bus:
            await bus.subscribe("ask", ask, ack="stored")
            bus.open()
            await sender.publish("ask", request(4))
            await begun.wait()
        async with runtime(server.port, tmp_path, "3.1.1") as bus:
            await bus.subscribe("ask", ask, ack="stored")
            bus.open()
            await until(lambda: answers(sender), "the answer")
            opened = envelope.unwrap(answers(sender)[0], 0.0)
            assert opened is not None
            assert opened[0] == b"8"
