"""Commands on the memory broker: sent, answered, tracked, timed out. The tests own the time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.bus import Bus
from dskity.bus.delivery import Delivery
from dskity.bus.errors import (
    Conflict,
    InvalidInput,
    InvalidPayload,
    NoResponder,
    NotConnected,
    NotFound,
    Overloaded,
)
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from dskity.modules.commands.service import CommandService
from dskity.modules.commands.store import MemoryExecutions
from tests.commands.devices import Device, connected
from tests.waiting import until


async def sent(device: Device, number: int = 1) -> Message:
    """The device's newest command, once it has `number` of them."""
    await until(lambda: len(device.requests) >= number, f"{number} commands at the device")
    return device.requests[number - 1]


@pytest.fixture
async def events(broker: MemoryBroker) -> AsyncIterator[list[dict[str, object]]]:
    """The data of all command events, as any client sees them."""
    seen: list[dict[str, object]] = []

    def accept(delivery: Delivery, captures: Mapping[str, str]) -> None:
        seen.append(delivery.message().json()["data"])
        delivery.done()

    async with connected(broker, "watcher") as bus:
        await bus.attach("dskity/commands/+/+/+", accept)
        yield seen


async def test_a_command_is_sent_and_its_reply_ends_it(
    commands: CommandService, device: Device
) -> None:
    """The device gets a QoS 1 request with all that it needs for its answer."""
    execution = await commands.execute("vent", "open", {"percent": 40})
    request = await sent(device)
    assert (execution.state, request.qos, request.expires_in) == ("sent", 1, 60)
    assert request.json() == {"id": execution.id, "percent": 40}
    assert request.correlation == execution.id.encode()
    await device.reply(request, state="succeeded", result={"open": 40})
    await until(lambda: commands.replies["changed"], "the reply")
    ended = await commands.get(execution.id)
    assert (ended.state, ended.result) == ("succeeded", {"open": 40})


async def test_an_answer_on_the_response_topic_counts_as_well(
    commands: CommandService, device: Device
) -> None:
    """With the correlation data echoed, any payload is the result."""
    waiting = asyncio.create_task(commands.execute("vent", "open", wait=5))
    await device.respond(await sent(device), {"open": 40})
    ended = await waiting
    assert (ended.state, ended.result) == ("succeeded", {"open": 40})


async def test_wait_returns_with_the_end(commands: CommandService, device: Device) -> None:
    """As soon as it is there."""
    waiting = asyncio.create_task(commands.execute("vent", "open", wait=5))
    request = await sent(device)
    await device.reply(request, progress=50)
    await device.reply(request, error="stuck")
    ended = await waiting
    assert (ended.state, ended.error, ended.progress) == ("failed", "stuck", 50)


async def test_wait_that_is_too_short_returns_with_the_present_state(
    commands: CommandService, device: Device
) -> None:
    """The command goes on."""
    execution = await commands.execute("vent", "open", wait=0.01)
    assert execution.state == "sent"


async def test_late_and_duplicate_replies_change_nothing(
    commands: CommandService, device: Device
) -> None:
    """They are counted."""
    execution = await commands.execute("vent", "open")
    request = await sent(device)
    await device.reply(request, state="succeeded", result=1)
    await device.reply(request, state="succeeded", result=1)
    await device.reply(request, state="failed", error="no")
    await until(lambda: commands.replies.total() == 3, "three replies")
    assert commands.replies == {"changed": 1, "duplicate": 1, "late": 1}
    assert (await commands.get(execution.id)).result == 1


async def test_replies_that_belong_to_nothing_are_counted_and_dropped(
    commands: CommandService, device: Device, broker: MemoryBroker
) -> None:
    """Garbage, an unknown id, and the answer of a device that was not asked."""
    execution = await commands.execute("vent", "open")
    reply = json.dumps({"id": execution.id, "state": "succeeded"}).encode()
    broker.publish(Message("devices/vent/commands/open/reply", b"\xff"))
    broker.publish(Message("devices/vent/commands/open/reply", b'{"id":"other"}'))
    broker.publish(Message("devices/pump/commands/open/reply", reply))
    await until(lambda: commands.replies.total() == 3, "three replies")
    assert commands.replies == {"unknown": 3}
    assert (await commands.get(execution.id)).state == "sent"


async def test_a_retained_reply_is_of_an_earlier_time(bus: Bus, broker: MemoryBroker) -> None:
    """A runtime that subscribes gets it, and drops it."""
    broker.publish(Message("devices/vent/commands/open/reply", b'{"id":"e1"}', retain=True))
    commands = CommandService(bus)
    await commands.start()
    await until(commands.replies.total, "the retained reply")
    assert commands.replies == {"retained": 1}
    await commands.stop()


async def test_without_an_answer_a_command_times_out_at_its_ttl(
    commands: CommandService, device: Device, clock: VirtualClock
) -> None:
    """Each at its own moment, also one that is due before those that were sent earlier."""
    late = await commands.execute("vent", "open", ttl=60)
    soon = await commands.execute("vent", "open", ttl=10)
    await clock.advance(10)
    assert (await commands.get(soon.id)).state == "timed_out"
    assert (await commands.get(late.id)).state == "sent"
    await clock.advance(50)
    ended = await commands.get(late.id)
    assert (ended.state, ended.updated_at) == ("timed_out", ended.expires_at)


async def test_an_answer_after_the_end_of_its_time_is_late(
    commands: CommandService, device: Device, clock: VirtualClock
) -> None:
    """The command stays timed out."""
    execution = await commands.execute("vent", "open", ttl=1)
    request = await sent(device)
    await clock.advance(1)
    await device.reply(request)
    await until(lambda: commands.replies["late"], "the late reply")
    assert (await commands.get(execution.id)).state == "timed_out"


async def test_a_cancelled_command_has_ended(commands: CommandService, device: Device) -> None:
    """It cannot be cancelled again."""
    execution = await commands.execute("vent", "open")
    assert (await commands.cancel(execution.id)).state == "cancelled"
    with pytest.raises(Conflict, match="ended already: it is cancelled"):
        await commands.cancel(execution.id)


async def test_each_change_is_an_event_in_order(
    commands: CommandService, device: Device, events: list[dict[str, object]]
) -> None:
    """On `{root}/commands/{target}/{execution}/{state}`."""
    execution = await commands.execute("vent", "open")
    request = await sent(device)
    for progress in (10, 90):
        await device.reply(request, progress=progress)
    await device.reply(request, result="open")
    await until(lambda: len(events) == 5, "five events")
    assert [(e["state"], e["progress"], e["result"]) for e in events] == [
        ("accepted", None, None),
        ("sent", None, None),
        ("in_progress", 10, None),
        ("in_progress", 90, None),
        ("succeeded", 90, "open"),
    ]
    assert {e["execution"] for e in events} == {execution.id}


async def test_watching_yields_the_present_state_then_each_change_until_the_end(
    commands: CommandService, device: Device
) -> None:
    """The iteration ends by itself."""
    execution = await commands.execute("vent", "open")
    request = await sent(device)
    states = []
    async with aclosing(commands.watch(execution.id)) as changes:
        async for change in changes:
            states.append(change.state)
            if change.state == "sent":
                await device.reply(request, progress=1)
                await device.reply(request, state="rejected", error="no")
    assert states == ["sent", "in_progress", "rejected"]


async def test_the_same_idempotency_key_gives_the_first_execution(
    commands: CommandService, device: Device
) -> None:
    """The device gets one command, however many ask at the same time."""
    first, second = await asyncio.gather(
        *(commands.execute("vent", "open", 1, idempotency_key="k") for _ in range(2))
    )
    assert first.id == second.id
    with pytest.raises(Conflict, match="belongs to another command"):
        await commands.execute("vent", "open", 2, idempotency_key="k")
    assert len(device.requests) == 1


async def test_who_asks_again_with_the_key_can_wait_for_the_end(
    commands: CommandService, device: Device
) -> None:
    """Of the first execution."""
    first = await commands.execute("vent", "open", idempotency_key="k")
    again = asyncio.create_task(commands.execute("vent", "open", idempotency_key="k", wait=5))
    await device.reply(await sent(device), result=7)
    ended = await again
    assert (ended.id, ended.result) == (first.id, 7)


async def test_without_a_responder_it_fails_only_if_that_was_asked(
    commands: CommandService,
) -> None:
    """The memory broker reports missing subscribers, as MQTT 5 brokers do."""
    assert (await commands.execute("ghost", "open")).state == "sent"
    with pytest.raises(NoResponder, match="devices/ghost/commands/open"):
        await commands.execute("ghost", "open", require_responder=True)
    assert [e.state for e in await commands.list(target="ghost")] == ["failed", "sent"]


async def test_a_device_with_a_session_gets_its_command_when_it_returns(
    commands: CommandService, broker: MemoryBroker
) -> None:
    """The broker keeps it, for as long as the command lives."""
    async with connected(broker, "vent") as bus:
        await Device(bus, "vent").attach()
    execution = await commands.execute("vent", "open", require_responder=True)
    async with connected(broker, "vent") as bus:
        device = Device(bus, "vent")
        await device.attach()
        await device.reply(await sent(device), result="late but there")
        await until(lambda: commands.replies["changed"], "the reply")
    assert (await commands.get(execution.id)).result == "late but there"


async def test_without_a_broker_the_command_fails_and_its_key_is_free(
    commands: CommandService, bus: Bus, broker: MemoryBroker
) -> None:
    """So that the same call can succeed later."""
    broker.stop()
    with pytest.raises(NotConnected):
        await commands.execute("vent", "open", idempotency_key="k")
    broker.start()
    await until(lambda: bus.connected, "the connection")
    execution = await commands.execute("vent", "open", idempotency_key="k")
    assert execution.state == "sent"
    assert [e.state for e in await commands.list()] == ["sent", "failed"]


async def test_over_3_1_1_a_command_is_plain_json(clock: VirtualClock) -> None:
    """A device of that version has never heard of our envelope."""
    broker = MemoryBroker(clock=clock, capabilities=CAPABILITIES.but(headers=False, expiry=False))
    async with connected(broker, "runtime") as bus, connected(broker, "vent") as other:
        device = Device(other, "vent")
        await device.attach()
        commands = CommandService(bus)
        await commands.start()
        execution = await commands.execute("vent", "open", {"percent": 40})
        request = await sent(device)
        assert json.loads(request.payload) == {"id": execution.id, "percent": 40}
        assert (request.reply_to, request.correlation) == (None, None)
        await device.reply(request, result=40)
        await until(lambda: commands.replies["changed"], "the reply")
        assert (await commands.get(execution.id)).result == 40
        await commands.stop()


@pytest.mark.parametrize("options", [{"ttl": 0}, {"ttl": -1}, {"ttl": 2**32}, {"wait": -1}])
async def test_times_that_cannot_be_are_refused(
    commands: CommandService, options: dict[str, float]
) -> None:
    """Nothing is sent, nothing is kept."""
    with pytest.raises(InvalidInput, match="seconds above 0"):
        await commands.execute("vent", "open", **options)  # type: ignore[arg-type]
    assert await commands.list() == []


async def test_a_payload_that_is_no_json_is_refused(commands: CommandService) -> None:
    """Nothing is sent, nothing is kept."""
    for payload in (object(), {"id": 1}):
        with pytest.raises(InvalidPayload):
            await commands.execute("vent", "open", payload)
    assert await commands.list() == []


async def test_an_unknown_execution_is_not_found(commands: CommandService) -> None:
    """To ask for, to cancel, to watch."""
    with pytest.raises(NotFound):
        await commands.get("e1")
    with pytest.raises(NotFound):
        await commands.cancel("e1")
    with pytest.raises(NotFound):
        await anext(commands.watch("e1"))


async def test_the_list_is_newest_first_and_can_be_narrowed(
    commands: CommandService, device: Device
) -> None:
    """By target and by state; an unknown state is an error that names the known ones."""
    first = await commands.execute("vent", "open")
    second = await commands.execute("pump", "start")
    await commands.cancel(first.id)
    assert [e.id for e in await commands.list()] == [second.id, first.id]
    assert [e.id for e in await commands.list(target="vent")] == [first.id]
    assert [e.id for e in await commands.list(state="sent")] == [second.id]
    with pytest.raises(InvalidInput, match="accepted, sent, in_progress"):
        await commands.list(state="done")


async def test_open_commands_are_bounded(bus: Bus) -> None:
    """One more is refused, and has its place as soon as another has ended."""
    commands = CommandService(bus, max_open=2)
    await commands.start()
    first = await commands.execute("vent", "open")
    await commands.execute("vent", "open")
    with pytest.raises(Overloaded, match="2 commands are under way"):
        await commands.execute("vent", "open")
    await commands.cancel(first.id)
    assert (await commands.execute("vent", "open")).state == "sent"
    await commands.stop()


async def test_of_ended_commands_the_newest_are_kept(bus: Bus) -> None:
    """Open ones are never forgotten, and a forgotten key is available again."""
    commands = CommandService(bus, store=MemoryExecutions(keep=2))
    await commands.start()
    still_open = await commands.execute("vent", "open")
    ended = [await commands.execute("vent", "open", idempotency_key=str(n)) for n in range(3)]
    for execution in ended:
        await commands.cancel(execution.id)
    kept = {e.id for e in await commands.list()}
    assert kept == {still_open.id, ended[1].id, ended[2].id}
    again = await commands.execute("vent", "open", idempotency_key="0")
    assert again.id != ended[0].id
    await commands.stop()


async def test_events_that_find_no_broker_wait_for_it_and_hold_nobody_up(
    commands: CommandService, broker: MemoryBroker, events: list[dict[str, object]]
) -> None:
    """The caller has its answer long before."""
    execution = await commands.execute("vent", "open")
    broker.stop()
    assert (await commands.cancel(execution.id)).state == "cancelled"
    broker.start()
    await until(lambda: len(events) == 3, "the last event")
    assert [event["state"] for event in events] == ["accepted", "sent", "cancelled"]
