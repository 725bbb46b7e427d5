"""The bridge between two brokers in memory: what is carried, kept, dropped and never answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.message import Message
from dskity.composition.runtime import Runtime
from dskity.modules.bridge.hops import HEADER
from tests.bridge.sites import MQTT_3, RULE, Sites, carriers, witness
from tests.waiting import until


def unacked(runtime: Runtime) -> int:
    transport = runtime.bus._transport
    assert isinstance(transport, MemoryTransport)
    session = transport._session
    assert session is not None
    return len(session.unacked) + len(session.waiting["intake"])


async def test_messages_are_carried_under_their_new_names_in_order(tmp_path: Path) -> None:
    sites = Sites()
    rules = [
        RULE | {"prefix": "site/7"},
        {"from": "cloud", "to": "default", "filter": "site/7/down/#", "strip": "site/7"},
    ]
    async with (
        witness(sites.cloud, "site/7/up/#") as cloud,
        witness(sites.edge, "down/#") as edge,
        sites.runtime(tmp_path, *rules),
    ):
        for number in range(300):
            await edge.bus.publish(f"up/{number % 3}", str(number))
        await cloud.bus.publish("site/7/down/x", "back")
        await cloud.saw(300)
        await edge.saw(1)
        for device in range(3):
            mine = [int(m.payload) for m in cloud.seen if m.topic == f"site/7/up/{device}"]
            assert mine == list(range(device, 300, 3))
        assert edge.topics == ["down/x"]


async def test_all_fields_of_mqtt_5_are_carried(tmp_path: Path) -> None:
    sites = Sites()
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE),
    ):
        await edge.bus.send(
            Message("up/x", b"1", 1, False, "text/x", {"a": "b"}, "up/answer", b"c", 60.0)
        )
        await cloud.saw(1)
        (got,) = cloud.seen
        assert (got.payload, got.qos, got.content_type) == (b"1", 1, "text/x")
        assert got.headers == {"a": "b", HEADER: "box:0"}
        assert (got.reply_to, got.correlation) == ("up/answer", b"c")
        assert got.expires_in is not None
        assert 55 < got.expires_in <= 60


async def test_a_request_is_carried_and_not_answered_by_the_bridge(tmp_path: Path) -> None:
    sites = Sites()
    answers = {"from": "cloud", "to": "default", "filter": "dskity/reply/asker/#"}

    async def double(number: int) -> int:
        return 2 * number

    async with (
        witness(sites.cloud, "nothing") as cloud,
        witness(sites.edge, "nothing", "asker") as edge,
        sites.runtime(tmp_path, RULE, answers) as runtime,
    ):
        await cloud.bus.subscribe("up/double", double)
        assert (await edge.bus.request("up/double", 21)).json() == 42
        assert [carrier.counts.carried for carrier in carriers(runtime)] == [1, 1]


async def test_what_is_retained_stays_so_or_as_the_rule_says(tmp_path: Path) -> None:
    """Kept before we came or published later."""
    sites = Sites()
    rules = [
        RULE,
        RULE | {"prefix": "always", "retain": True},
        RULE | {"prefix": "never", "retain": False},
    ]
    async with witness(sites.edge, "nothing") as edge:
        await edge.bus.publish("up/state", "on", retain=True)
        async with witness(sites.cloud) as first, sites.runtime(tmp_path, *rules):
            await edge.bus.publish("up/state", "off", retain=True)
            await edge.bus.publish("up/event", "ping")
            await until(lambda: first.topics.count("never/up/event"), "the last one carried")
    async with witness(sites.cloud, name="late") as late:
        await late.saw(3)
        assert {m.topic: m.payload for m in late.seen} == {
            "up/state": b"off",
            "always/up/state": b"off",
            "always/up/event": b"ping",
        }


async def test_while_the_target_is_away_messages_are_kept_on_the_disk(tmp_path: Path) -> None:
    """Also over a restart: they are acknowledged at the source, and leave before newer ones."""
    sites = Sites()
    sites.cloud.stop()
    async with witness(sites.edge, "nothing") as edge:
        async with sites.runtime(tmp_path, RULE) as runtime:
            for number in range(100):
                await edge.bus.publish("up/x", str(number))
            outbox = runtime.bus.connection("cloud").outbox
            assert outbox is not None
            await until(lambda: outbox.spool.messages == 100, "100 messages in the outbox")
            await until(lambda: unacked(runtime) == 0, "all acknowledged at the edge")
            assert (tmp_path / "outbox-cloud.db").exists()
        for number in range(100, 150):
            await edge.bus.publish("up/x", str(number))
        async with witness(sites.cloud) as cloud, sites.runtime(tmp_path, RULE):
            sites.cloud.start()
            await cloud.saw(150)
            assert [int(payload) for payload in cloud.payloads] == list(range(150))


async def test_a_full_outbox_leaves_messages_with_the_source(tmp_path: Path) -> None:
    sites = Sites()
    sites.cloud.stop()
    limits = {"outbox": {"max_messages": 10}}
    async with (
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE, bus=limits) as runtime,
    ):
        for number in range(30):
            await edge.bus.publish("up/x", str(number))
        await until(lambda: unacked(runtime) == 20, "20 messages left at the edge")
        async with witness(sites.cloud) as cloud:
            sites.cloud.start()
            await cloud.saw(30)
            assert [int(payload) for payload in cloud.payloads] == list(range(30))
            await until(lambda: unacked(runtime) == 0, "all acknowledged")


async def test_qos_0_is_dropped_and_counted_while_the_target_is_away(tmp_path: Path) -> None:
    sites = Sites()
    sites.cloud.stop()
    async with (
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE) as runtime,
    ):
        await edge.bus.publish("up/x", "lost", qos=0)
        (carrier,) = carriers(runtime)
        await until(lambda: carrier.counts.dropped == 1, "a message dropped")


async def test_what_the_target_never_takes_becomes_a_dead_letter_at_the_source(
    tmp_path: Path,
) -> None:
    sites = Sites(cloud=MemoryBroker(capabilities=MQTT_3.but(max_packet=10)))
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE),
        edge.bus.stream("dskity/dead-letter/#", qos=1) as letters,
    ):
        await edge.bus.publish("up/x", "far too long for it")
        await edge.bus.publish("up/x", "short")
        letter = await asyncio.wait_for(anext(letters), 5)
        assert letter.topic == "dskity/dead-letter/up/x"
        assert letter.payload == b"far too long for it"
        assert letter.headers["dskity-handler"] == "bridge.0"
        await cloud.saw(1)
        assert cloud.payloads == [b"short"]


async def test_a_target_of_3_1_1_gets_plain_messages_as_they_are(tmp_path: Path) -> None:
    """No header of ours makes an envelope of them."""
    sites = Sites(cloud=MemoryBroker(capabilities=MQTT_3))
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE),
    ):
        await edge.bus.publish("up/x", b"\x00plain")
        await cloud.saw(1)
        assert (cloud.seen[0].payload, cloud.seen[0].headers) == (b"\x00plain", {})
        await edge.bus.publish("up/x", b"1", headers={"a": "b"})
        await cloud.saw(2)
        assert cloud.seen[1].headers == {"a": "b", HEADER: "box:0"}


async def test_our_own_topics_stay_at_home(tmp_path: Path) -> None:
    sites = Sites()
    rules = [RULE | {"filter": "#", "prefix": "site"}]
    seen: list[str] = []
    async with (
        witness(sites.cloud, "nothing") as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, *rules) as runtime,
        cloud.bus.stream("#", qos=1) as stream,
    ):
        await edge.bus.publish("dskity/kv/set/x", "1")
        await edge.bus.publish("up/x", "2")
        seen.append((await asyncio.wait_for(anext(stream), 5)).topic)
        (carrier,) = carriers(runtime)
        assert carrier.counts.private >= 1
    assert seen == ["site/up/x"]


async def test_a_loop_through_another_runtime_ends_where_it_began(tmp_path: Path) -> None:
    """Neither runtime can know it from its own rules; the header tells."""
    sites = Sites()
    back = {"from": "cloud", "to": "default", "filter": "up/#"}
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge) as edge,
        sites.runtime(tmp_path / "a", RULE, name="a") as one,
        sites.runtime(tmp_path / "b", back, name="b") as other,
    ):
        await edge.bus.publish("up/x", "round")
        (first,), (second,) = carriers(one), carriers(other)
        await until(lambda: first.counts.looped == 1, "the loop is noticed")
        assert (first.counts.carried, second.counts.carried) == (1, 1)
        await edge.saw(2)
        assert edge.seen[1].headers == {HEADER: "a:0,b:0"}
        assert len(cloud.seen) == 1


async def test_a_message_may_pass_two_rules_of_one_runtime(tmp_path: Path) -> None:
    sites = Sites()
    onward = {"from": "cloud", "to": "default", "filter": "in/#", "strip": "in", "prefix": "out"}
    async with (
        witness(sites.edge, "out/#") as edge,
        sites.runtime(tmp_path, RULE | {"prefix": "in"}, onward),
    ):
        await edge.bus.publish("up/x", "1")
        await edge.saw(1)
        assert edge.topics == ["out/up/x"]
        assert edge.seen[0].headers == {HEADER: "box:0,box:1"}


async def test_a_bridge_that_was_suspended_goes_on(tmp_path: Path) -> None:
    sites = Sites()
    async with (
        witness(sites.cloud) as cloud,
        witness(sites.edge, "nothing") as edge,
        sites.runtime(tmp_path, RULE) as runtime,
    ):
        await runtime.supervisor.quarantine("bridge", "test")
        await runtime.supervisor.resume("bridge")
        await edge.bus.publish("up/x", "1")
        await cloud.saw(1)
