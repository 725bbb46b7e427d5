"""The bus over the in-process transport."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from dskity.bus import errors
from dskity.bus.base.clock import VirtualClock
from dskity.bus.delivery import Delivery
from dskity.bus.events import KvSet
from dskity.bus.memory import CAPABILITIES, MemoryBroker
from dskity.bus.message import Message
from tests.house_bus import House, memory_house
from tests.waiting import until


class Inbox:
    """A consumer that keeps what it gets, and acknowledges unless told not to."""

    def __init__(self, *, acknowledge: bool = True) -> None:
        self.messages: list[Message] = []
        self.captures: list[dict[str, str]] = []
        self.deliveries: list[Delivery] = []
        self._acknowledge = acknowledge

    def __call__(self, delivery: Delivery, captures: Mapping[str, str]) -> None:
        self.messages.append(delivery.message())
        self.captures.append(dict(captures))
        self.deliveries.append(delivery)
        if self._acknowledge:
            delivery.done()


async def test_a_message_reaches_each_matching_subscription_once() -> None:
    async with memory_house() as house:
        wide, narrow, other = Inbox(), Inbox(), Inbox()
        await house.bus.attach("a/#", wide)
        await house.bus.attach("a/{name}", narrow)
        await house.bus.attach("b/#", other)
        await house.bus.publish("a/x", "hello")
        await until(lambda: narrow.messages, "the message")
        assert [m.payload for m in wide.messages] == [b"hello"]
        assert narrow.captures == [{"name": "x"}]
        assert other.messages == []


async def test_a_receipt_says_who_has_the_message_and_whether_it_matched() -> None:
    async with memory_house() as house:
        nobody = await house.bus.publish("nobody", b"")
        await house.bus.attach("somebody", Inbox())
        somebody = await house.bus.publish("somebody", b"")
        at_most_once = await house.bus.publish("nobody", b"", qos=0)
        assert (nobody.accepted, nobody.matched) == ("broker", False)
        assert (somebody.accepted, somebody.matched) == ("broker", True)
        assert (at_most_once.accepted, at_most_once.matched) == ("sent", None)
        assert len({nobody.id, somebody.id, at_most_once.id}) == 3


async def test_a_message_is_acknowledged_once_by_the_last_of_its_holders() -> None:
    async with memory_house() as house:
        first, second = Inbox(acknowledge=False), Inbox(acknowledge=False)
        await house.bus.attach("t", first)
        await house.bus.attach("{all...}", second)
        await house.bus.publish("t", b"1")
        await until(lambda: second.deliveries, "the message")
        session = house.transport._session
        assert session is not None
        first.deliveries[0].done()
        assert len(session.unacked) == 1
        second.deliveries[0].done()
        assert len(session.unacked) == 0


async def test_what_was_not_acknowledged_comes_again_with_the_duplicate_flag() -> None:
    async with memory_house() as house:
        inbox = Inbox(acknowledge=False)
        await house.bus.attach("t", inbox)
        for number in (b"1", b"2"):
            await house.bus.publish("t", number)
        await until(lambda: len(inbox.messages) == 2, "both")
        house.transport.cut()
        await until(lambda: len(inbox.messages) == 4, "both again")
        assert [(m.payload, m.duplicate) for m in inbox.messages[2:]] == [
            (b"1", True),
            (b"2", True),
        ]


async def test_an_acknowledgement_never_crosses_a_reconnect() -> None:
    async with memory_house() as house:
        inbox = Inbox(acknowledge=False)
        await house.bus.attach("t", inbox)
        await house.bus.publish("t", b"1")
        await until(lambda: inbox.deliveries, "the message")
        house.transport.cut()
        await until(lambda: len(inbox.deliveries) == 2, "it again")
        inbox.deliveries[0].done()
        assert house.transport._session is not None
        assert len(house.transport._session.unacked) == 1


async def test_a_session_keeps_messages_for_a_client_that_is_away() -> None:
    broker = MemoryBroker()
    async with memory_house(broker=broker, client_id="sender") as sender:
        async with memory_house(broker=broker, client_id="device") as device:
            await device.bus.attach("t", Inbox())
        await sender.bus.publish("t", b"queued")
        inbox = Inbox()
        async with memory_house(broker=broker, client_id="device", hold=True) as device:
            await asyncio.sleep(0)
            await device.bus.attach("t", inbox)
            assert inbox.messages == [], "held until the handlers are there"
            device.bus.open()
            assert [m.payload for m in inbox.messages] == [b"queued"]


async def test_a_stream_drops_the_oldest_and_counts() -> None:
    async with memory_house() as house, house.bus.stream("t/#", limit=2) as stream:
        for number in range(5):
            await house.bus.publish("t/x", str(number))
        await until(lambda: stream.dropped == 3, "three dropped")
        assert [(await anext(stream)).payload for _ in range(2)] == [b"3", b"4"]


async def test_retained_messages_come_to_new_subscriptions_and_can_be_cleared() -> None:
    async with memory_house() as house:
        await house.bus.publish("state", "on", retain=True)
        async with house.bus.stream("state") as stream:
            message = await anext(stream)
            assert (message.payload, message.retain) == (b"on", True)
        await house.bus.publish("state", b"", retain=True)
        inbox = Inbox()
        await house.bus.attach("#", inbox)
        await house.bus.publish("mark", b"")
        await until(lambda: inbox.messages, "the mark")
        assert [m.topic for m in inbox.messages] == ["mark"]


async def test_a_message_expires_on_the_way() -> None:
    clock = VirtualClock()
    broker = MemoryBroker(clock=clock)
    async with (
        memory_house(broker=broker, client_id="sender") as sender,
        memory_house(broker=broker, client_id="device", clock=clock) as device,
    ):
        inbox = Inbox()
        await device.bus.attach("t", inbox)
        device.transport.pause()
        await sender.bus.publish("t", b"old", expires_in=5)
        await sender.bus.publish("t", b"young", expires_in=60)
        await clock.advance(10)
        device.transport.resume()
        await until(lambda: inbox.messages, "the young one")
        assert [(m.payload, m.expires_in) for m in inbox.messages] == [(b"young", 50.0)]


async def answer(house: House, topic: str, *replies: object, **options: object) -> None:
    """A responder that sends `replies` to each request."""

    def accept(delivery: Delivery, _: Mapping[str, str]) -> None:
        delivery.done()
        tasks.extend(
            asyncio.ensure_future(house.bus.reply(delivery, reply, **options))  # type: ignore[arg-type]
            for reply in replies
        )

    tasks: list[asyncio.Future[None]] = []
    await house.bus.attach(topic, accept)


NO_MQTT5 = CAPABILITIES.but(headers=False, expiry=False, reports_no_match=False, overlap="once")


@pytest.mark.parametrize("capabilities", [CAPABILITIES, NO_MQTT5], ids=["MQTT 5", "MQTT 3.1.1"])
async def test_a_request_gets_its_reply(capabilities: object) -> None:
    async with memory_house(capabilities=capabilities) as house:  # type: ignore[arg-type]
        await answer(house, "add", {"sum": 3}, headers={"took": "1 ms"})
        reply = await house.bus.request("add", [1, 2])
        assert reply.json() == {"sum": 3}
        assert reply.headers["took"] == "1 ms"
        assert reply.content_type == "application/json"


async def test_a_plain_publish_keeps_its_bytes_on_3_1_1() -> None:
    async with memory_house(capabilities=NO_MQTT5) as house:
        inbox = Inbox()
        await house.bus.attach("t", inbox)
        await house.bus.publish("t", {"a": 1}, expires_in=5)
        await until(lambda: inbox.messages, "the message")
        assert inbox.messages[0].payload == b'{"a":1}'


async def test_a_request_without_a_responder_fails_at_once() -> None:
    async with memory_house() as house:
        with pytest.raises(errors.NoResponder, match="nobody"):
            await house.bus.request("nobody", b"")


async def test_a_request_without_a_reply_times_out_and_the_late_reply_is_counted() -> None:
    async with memory_house() as house:
        inbox = Inbox()
        await house.bus.attach("slow", inbox)
        with pytest.raises(errors.RequestTimeout, match="slow"):
            await house.bus.request("slow", b"", timeout=0.01)
        await house.bus.reply(inbox.deliveries[0], b"late")
        await until(lambda: house.bus._replies.unknown == 1, "the late reply counted")
        assert len(house.bus._replies) == 0


async def test_of_two_replies_the_first_counts() -> None:
    async with memory_house() as house:
        await answer(house, "twice", b"1", b"2")
        assert (await house.bus.request("twice", b"")).payload == b"1"
        await until(lambda: house.bus._replies.unknown == 1, "the second one counted")


async def test_an_error_reply_raises_with_status_and_problem() -> None:
    async with memory_house() as house:
        await answer(house, "t", {"detail": "no such vent"}, headers={"dskity-status": "404"})
        with pytest.raises(errors.RemoteError, match="no such vent") as caught:
            await house.bus.request("t", b"")
        assert caught.value.status == 404


async def test_thousands_of_requests_in_parallel_each_get_their_own() -> None:
    async with memory_house() as house:

        def echo(delivery: Delivery, _: Mapping[str, str]) -> None:
            delivery.done()
            tasks.append(asyncio.ensure_future(house.bus.reply(delivery, delivery.payload)))

        tasks: list[asyncio.Future[None]] = []
        await house.bus.attach("echo", echo)
        replies = await asyncio.gather(
            *(house.bus.request("echo", str(n), timeout=30) for n in range(2000))
        )
        assert [int(reply.payload) for reply in replies] == list(range(2000))


async def test_without_a_broker_a_publish_waits_for_it_and_qos_0_does_not() -> None:
    async with memory_house() as house:
        house.broker.stop()
        with pytest.raises(errors.NotConnected):
            await house.bus.publish("t", b"", qos=0)
        waiting = asyncio.ensure_future(house.bus.publish("t", b""))
        await asyncio.sleep(0)
        house.broker.start()
        assert (await waiting).accepted == "broker"


async def test_without_a_broker_a_publish_gives_up_in_the_end_and_says_why() -> None:
    async with memory_house(publish_timeout=0.01) as house:
        house.broker.stop()
        with pytest.raises(errors.NotConnected, match="the broker stopped"):
            await house.bus.publish("t", b"")


async def test_a_scope_ends_what_was_subscribed_through_it() -> None:
    async with memory_house() as house:
        scope = house.bus.scope("module")
        mine, other = Inbox(), Inbox()
        await scope.attach("t", mine)
        await house.bus.attach("t", other)
        await scope.cancel_all()
        await house.bus.publish("t", b"")
        await until(lambda: other.messages, "the message")
        assert mine.messages == []


async def test_an_event_is_published_under_the_root() -> None:
    async with memory_house() as house, house.bus.stream("dskity/kv/set/#") as stream:
        await house.bus.emit(KvSet(key="a", version=1))
        message = await anext(stream)
        assert message.topic == "dskity/kv/set/a"
        assert message.json()["source"] == "/dskity/runtime/house"
        assert not message.retain


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"topic": "a/+"}, "wildcard"),
        ({"topic": "t", "qos": 3}, "0, 1 or 2"),
        ({"topic": "t", "expires_in": 0}, "above 0"),
        ({"topic": "t", "expires_in": -1}, "above 0"),
        ({"topic": "t", "payload": object()}, "cannot be published"),
    ],
)
async def test_a_wrong_publish_is_refused_at_once(arguments: dict[str, object], hint: str) -> None:
    async with memory_house() as house:
        with pytest.raises(errors.InvalidInput) as caught:
            await house.bus.publish(**arguments)  # type: ignore[arg-type]
        assert hint in str(caught.value)
