"""rumqttd as our child: what it takes, and that each of its limits is as its sentences say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dskity.broker.connection import placement
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.reachable import speaks_mqtt
from dskity.broker.engines.rumqttd import ManagedRumqttd
from dskity.broker.engines.rumqttd_conf import render
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import EngineError, NotConnected, TooLarge, Unsupported
from dskity.bus.store.outbox import Outbox
from dskity.composition.core import start_core
from dskity.config import DSkitySettings
from dskity.config.sections.connections import DEFAULT
from dskity.handlers import Dispatcher
from tests.contract.cells import Cell
from tests.contract.house import Client, House, mqtt, open_house
from tests.engines.device import device
from tests.servers import HOST, need_rumqttd
from tests.waiting import until

MIB = 1024 * 1024


def _keep(delivery: Delivery) -> None:
    """Acknowledge nothing."""


@contextlib.asynccontextmanager
async def managed(state_dir: Path, listen: Listen) -> AsyncIterator[ManagedRumqttd]:
    """A running engine."""
    need_rumqttd()
    engine = ManagedRumqttd(listen, state_dir)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """One that runs, and a maker of clients."""
    async with open_house(Cell("aiomqtt", "rumqttd")) as house:
        yield house


async def _receiver(house: House, qos: int = 1, **settings: object) -> Client:
    client = await house.connected("receiver", **settings)
    client.handle = _keep
    await client.transport.subscribe("work", qos, 1)
    return client


async def _mark(receiver: Client, sender: Client) -> None:
    """Wait for a message of another connection, before which all that is due has come."""
    await receiver.transport.subscribe("mark", 0, 2, "control")
    await sender.publish("mark", b"mark")
    await until(lambda: receiver.payloads[-1] == b"mark", "the mark")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
async def test_it_listens_on_loopback_by_address_and_by_name(host: str, tmp_path: Path) -> None:
    async with managed(tmp_path, Listen(host=host, port=0)) as engine:
        where = urlsplit(engine.url)
        assert where.hostname == host
        assert await speaks_mqtt(host, where.port or 0, version=5)


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    assert '\nlisten = "[::1]:1883"\n' in render(Listen(host="::1"))


async def test_browsers_reach_it_by_3_1_1_and_nobody_else_does(tmp_path: Path) -> None:
    async with managed(tmp_path, Listen(port=0, websocket_port=0)) as engine:
        assert engine.websocket_port
        async with device(engine.websocket_port, transport="websockets") as browser:
            await browser.subscribe("up")
            await browser.publish("up", b"1")
            await until(lambda: browser.received, "over WebSocket")
        assert not await speaks_mqtt(HOST, urlsplit(engine.url).port or 0, version=4)


@pytest.mark.parametrize(
    ("listen", "name"),
    [(Listen(users_file=Path("f")), "users_file"), (Listen(acl_file=Path("f")), "acl_file")],
)
def test_files_that_it_cannot_read_are_refused_with_the_mend(
    listen: Listen, name: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=rf"no {name}: set broker\.engine to mosquitto"):
        ManagedRumqttd(listen, tmp_path)


async def test_a_folder_of_the_packages_name_does_not_stand_in_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "iotcore.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    async with managed(tmp_path / "state", Listen(port=0)) as engine:
        assert engine.healthy


async def test_one_that_does_not_start_says_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_rumqttd()
    monkeypatch.setattr(
        "dskity.broker.engines.rumqttd.rumqttd_conf.render", lambda _: "id = 'zero'\n"
    )
    engine = ManagedRumqttd(Listen(port=0), tmp_path)
    with pytest.raises(EngineError, match=r"(?s)ended at once.*invalid broker config"):
        await engine.start()
    assert not engine.healthy


async def test_a_clients_window_is_a_hundred_messages(house: House) -> None:
    """A handler that acknowledges none holds up all that come after."""
    receiver, sender = await _receiver(house), await house.connected("sender")
    for number in range(120):
        await sender.publish("work", b"%d" % number)
    await receiver.got(100)
    await _mark(receiver, sender)
    assert len(receiver.deliveries) == 101
    for delivery in receiver.deliveries[:20]:
        delivery.done()
    await receiver.got(121)


async def test_what_comes_again_is_not_marked(house: House) -> None:
    receiver, sender = await _receiver(house), await house.connected("sender")
    await sender.publish("work", b"1")
    await receiver.got(1)
    await receiver.cut()
    await receiver.got(2)
    assert receiver.payloads == [b"1", b"1"]
    assert not receiver.deliveries[1].duplicate


async def test_of_qos_2_nothing_comes_again_until_there_is_more(house: House) -> None:
    receiver, sender = await _receiver(house, 2), await house.connected("sender")
    await sender.publish("work", b"1", qos=2)
    await receiver.got(1)
    await receiver.cut()
    await _mark(receiver, sender)
    assert receiver.payloads == [b"1", b"mark"]
    await sender.publish("work", b"2", qos=2)
    await receiver.got(4)
    assert receiver.payloads[2:] == [b"1", b"2"]


async def test_a_log_that_is_full_forgets_the_oldest(house: House) -> None:
    """40 MiB for a client that is away; nobody is told."""
    away, sender = await _receiver(house), await house.connected("sender")
    await away.transport.close()
    for number in range(40):
        await sender.publish("work", b"%02d" % number + bytes(MIB))
    back = await house.client("receiver")
    await back.transport.subscribe("work", 1, 1)
    await back.start()
    await until(lambda: back.payloads[-1:] and back.payloads[-1][:2] == b"39", "the newest")
    numbers = [int(payload[:2]) for payload in back.payloads]
    assert numbers == list(range(numbers[0], 40))
    assert 4 <= numbers[0] <= 12


async def test_a_session_never_expires(house: House) -> None:
    first = await _receiver(house, session_expiry_seconds=0)
    await first.transport.close()
    second = await _receiver(house, session_expiry_seconds=0)
    assert second.ups == [True]


async def test_nobody_is_told_whether_anybody_is_subscribed(house: House) -> None:
    """It acknowledges all the same: `matched` says nothing, rather than yes."""
    sender = await house.connected("sender")
    assert not sender.transport.capabilities.reports_no_match
    assert await sender.publish("nobody") is None
    await sender.transport.subscribe("somebody", 1, 1)
    assert await sender.publish("somebody") is None


async def test_unsubscribe_without_an_answer_holds_up_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a resumed session it answers none: not the caller waits for ever, and no reconnect."""
    monkeypatch.setattr(placement, "UNANSWERED", 0.2)
    client = await house.connected()
    for number, filter in enumerate(("one", "two", "work"), 1):
        await client.transport.subscribe(filter, 1, number)
    await client.cut()
    await client.transport.unsubscribe("one")
    assert "one: the broker does not answer UNSUBSCRIBE" in caplog.text
    assert client.proxy is not None
    client.proxy.refuse()
    client.proxy.cut()
    await until(lambda: len(client.downs) == 2, "the loss is noticed")
    await client.transport.unsubscribe("two")
    client.proxy.refuse(on=False)
    await client.up(3)
    assert "two: the broker does not answer UNSUBSCRIBE" in caplog.text
    await client.publish("work", b"on")
    await until(lambda: b"on" in client.payloads, "what is still subscribed")


async def test_a_message_above_16_mib_ends_the_connection(house: House) -> None:
    """It does not tell the limit; who knows the engine's refuses the message instead."""
    sender = await house.connected("sender")
    assert sender.transport.capabilities.max_packet is None
    with pytest.raises(NotConnected):
        await sender.publish("work", bytes(16 * MIB + 1))
    await sender.up(2)
    knowing = await house.connected("knowing", limits=ManagedRumqttd.limits)
    with pytest.raises(TooLarge, match="at most 16777216"):
        await knowing.publish("work", bytes(16 * MIB))
    with pytest.raises(Unsupported, match="does not support qos=2, its maximum is 1"):
        await knowing.publish("work", b"", qos=2)
    await knowing.publish("work", bytes(16 * MIB - 100))
    assert knowing.downs == []


async def test_the_outbox_sets_aside_what_it_hangs_up_on(tmp_path: Path) -> None:
    """Unknown as its limit is, of a broker that is there: all behind it arrives."""
    async with open_house(Cell("aiomqtt", "rumqttd")) as house:
        outbox = Outbox(tmp_path / "outbox.db")
        bus = Bus(mqtt(house.cell, "sender", house.broker.port), Dispatcher(), outbox=outbox)
        receiver = await house.connected("receiver")
        await receiver.transport.subscribe("work", 1, 1)
        await bus.start()
        try:
            await bus.link.wait_connected(10)
            await bus.publish("work", bytes(16 * MIB + 1))
            for number in range(10):
                await bus.publish("work", b"%d" % number)
            await until(lambda: len(receiver.deliveries) >= 10, "all others", within=60)
            assert list(dict.fromkeys(receiver.payloads)) == [b"%d" % n for n in range(10)]
            await until(lambda: outbox.refused, "the large one is set aside", within=60)
            [(stored, reason)] = await outbox.spool.refused()
            assert len(stored.message.payload) == 16 * MIB + 1
            assert "connection" in reason
        finally:
            await bus.close()


@pytest.fixture
def settings(tmp_path: Path) -> DSkitySettings:
    """Of a runtime that runs one."""
    need_rumqttd()
    broker = {"engine": "rumqttd", "port": 0}
    return DSkitySettings(state_dir=tmp_path, broker=broker, modules_search_paths=[])


async def test_a_runtime_knows_its_limits(settings: DSkitySettings) -> None:
    """Though rumqttd tells none of them: the engine does."""
    async with AsyncExitStack() as stack:
        core = await start_core(settings, "box", stack, {})
        can = core.connections[DEFAULT].bus.capabilities
        assert (can.max_packet, can.max_qos) == (16 * MIB, 1)
