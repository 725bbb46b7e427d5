"""What a broker really does, one experiment for each question."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dskity.broker.probe.basics import find
from dskity.broker.probe.client import PREFIX, Visit
from dskity.broker.probe.context import Ground
from dskity.broker.probe.findings import Finding, FindingName, judged
from dskity.bus.errors import BrokerRefused, DSkityError, NotConnected, Unsupported

Experiment: TypeAlias = Callable[[Ground], Awaitable[tuple[Finding, ...]]]

ROUND_TRIPS = 20
# mosquitto's default is to keep 1,000 for a client and to drop the rest in silence: a few more.
ENOUGH = 1_200
MANY = 300  # mosquitto's default is to have 20 on their way to a client, rumqttd's 100
AT_ONCE = 20  # publishes on their way: brokers of 3.1.1 need not take more
COUNTING = 3.0  # seconds; over a slow line a queue is known to be there, and not how long it is
# MQTT counts expiry in whole seconds, and mosquitto compares with "later than".
EXPIRES_IN, EXPIRED_AFTER = 1.0, 2.2
ALIVE_WITHIN = 2.0  # seconds for a session that was not killed to answer
QUIET_FOR = 1.0  # seconds after which what has not come does not come
ANSWERED_WITHIN = 2.0  # seconds for an UNSUBACK
KIB = 1024
SIZES = (KIB, 128 * KIB, KIB * KIB, (16 * KIB + 1) * KIB)  # limits that are in use lie between
_NO_MQTT_5 = "MQTT 3.1.1 has none"


async def exactly_once(ground: Ground) -> tuple[Finding, ...]:
    """QoS 2 is granted, and what was published with it arrives with it."""
    if ground.opening.settings.limits.max_qos < 2:  # noqa: PLR2004  # QoS 2
        return (judged("qos2", "granted, but not kept after a reconnect", holds=False),)
    topic = ground.topic("exactly-once")
    async with ground.visit() as guest:
        granted = await guest.subscribe(topic, 2)
        if granted != 2:  # noqa: PLR2004  # QoS 2
            told = "refused" if granted is None else f"QoS {granted} is granted in its place"
            return (judged("qos2", told, holds=False),)
        try:
            await guest.publish(topic, qos=2)
        except Unsupported:
            return (judged("qos2", "not taken from a publisher", holds=False),)
        await guest.settle()
        await guest.settle()  # PUBREL and PUBCOMP take a round trip more
        came = [delivery.qos for delivery in guest.deliveries]
    return (judged("qos2", "" if came == [2] else "delivered differently", holds=came == [2]),)


async def basics(ground: Ground) -> tuple[Finding, ...]:
    """What every runtime tries at a start, in words. Some brokers grant a shared subscription and
    deliver nothing; a message that matches two filters comes marked, once, or once for each."""
    found = await find(ground, hurried=False)
    lost = "granted, but nothing is delivered" if found.grants_shared else "refused"
    unmarked = "" if found.marks_duplicates else "not marked as duplicate"
    copies = "identified" if found.identified else "each" if found.copies else "once"
    return (
        judged("shared", "" if found.shared else lost, holds=found.shared),
        judged("redelivery", unmarked, holds=found.redelivery),
        judged("overlap", copies, holds=copies != "each"),
    )


async def retaining(ground: Ground) -> tuple[Finding, ...]:
    """A later subscriber receives the retained message."""
    if not ground.welcome.retained:
        return (judged("retained", "the broker declares that it keeps none", holds=False),)
    topic = ground.retained("retained")
    async with ground.visit() as guest:
        await guest.publish(topic, qos=1, retain=True)
        await guest.subscribe(topic)
        await guest.settle()
        return (judged("retained", holds=guest.count(topic) > 0),)


async def expiring(ground: Ground) -> tuple[Finding, ...]:
    """A message whose time is over does not reach a client that comes back."""
    if not ground.five:
        return (judged("expiry", _NO_MQTT_5, holds=False),)
    short, lasting = ground.topic("short"), ground.topic("lasting")
    async with ground.return_visit() as guest:
        await guest.subscribe(short)
        await guest.subscribe(lasting)
    async with ground.other() as other:
        await other.publish(short, qos=1, expires_in=EXPIRES_IN)
        await other.publish(lasting, qos=1)
    await asyncio.sleep(EXPIRED_AFTER)
    async with ground.return_visit() as guest:
        await guest.settle()
        if not guest.count(lasting):
            return (Finding("expiry", "unknown", "no message is kept for an absent client"),)
        return (judged("expiry", holds=not guest.count(short)),)


async def queueing(ground: Ground) -> tuple[Finding, ...]:
    """QoS 1 messages are kept for a session that is away; how many, where that is soon told."""
    topic = ground.topic("queue")
    async with ground.return_visit() as guest:
        await guest.subscribe(topic)
    async with ground.other() as other:
        await other.publish(topic, qos=1)
        sent = 1 + await _publish_many(other, topic, ENOUGH - 1)
    async with ground.return_visit(acknowledge=True) as guest:
        kept = await _count_all(guest, topic, sent)
    if not kept or sent < ENOUGH:  # none, or it could not be told how many
        return (judged("persistent", holds=kept != 0),)
    told = f"at least {sent:,} messages" if kept == sent else f"{kept:,} of {sent:,} messages"
    return (judged("persistent", told, holds=True),)


async def _publish_many(guest: Visit, topic: str, number: int) -> int:
    """Publish so many; returns how many of them were taken in time."""
    left, taken = iter(range(number)), 0

    async def some() -> None:
        nonlocal taken
        with contextlib.suppress(DSkityError):  # it takes no more, and says so
            for _ in left:
                await guest.publish(topic, qos=1)
                taken += 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(COUNTING), asyncio.TaskGroup() as senders:
            for _ in range(AT_ONCE):
                senders.create_task(some(), name="examination: publish")
    return taken


async def _count_all(guest: Visit, topic: str, sent: int) -> int | None:
    """How many came; None where they did not come to an end in time."""
    try:
        async with asyncio.timeout(COUNTING):
            while not await _settles(guest) and guest.count(topic) < sent:
                pass  # a full queue drops the marker, too: another one is sent
    except TimeoutError:
        return None
    return guest.count(topic)


async def _settles(guest: Visit, qos: int = 1, within: float | None = None) -> bool:
    try:
        async with asyncio.timeout(QUIET_FOR if within is None else within):
            await guest.settle(qos)
    except TimeoutError:
        return False
    return True


async def holding_back(ground: Ground) -> tuple[Finding, ...]:
    """How many messages come while none is acknowledged."""
    topic = ground.topic("window")
    async with ground.visit() as guest:
        await guest.subscribe(topic)
        async with ground.other() as other:
            sent = await _publish_many(other, topic, MANY)
        came = -1
        while came < guest.count(topic):  # in some brokers the marker waits behind the others
            came = guest.count(topic)
            if await _settles(guest, qos=0):
                came = guest.count(topic)
    told = f"at least {came:,} at once" if came == sent else f"{came:,} at once"
    return (judged("window", told, holds=came > 0),)


async def unsubscribing(ground: Ground) -> tuple[Finding, ...]:
    """A session that comes back is rid of a filter when it says so."""
    topic = ground.topic("unsubscribed")
    async with ground.return_visit() as guest:
        await guest.subscribe(topic)
    async with ground.return_visit() as guest:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await guest.unsubscribe(topic)
        except TimeoutError:
            return (judged("unsubscribe", "no answer in a resumed session", holds=False),)
        await guest.publish(topic)
        await guest.settle()
        ended = not guest.count(topic)
    return (judged("unsubscribe", "" if ended else "answered, but without effect", holds=ended),)


async def weighing(ground: Ground) -> tuple[Finding, ...]:
    """How large a publish may be: as CONNACK tells, or else as large ones fare."""
    told = ground.welcome.max_packet
    if told is not None:
        return (judged("max_packet", f"{told:,} bytes", holds=True),)
    taken = 0
    with contextlib.suppress(TimeoutError):  # a slow line: more is not known
        async with asyncio.timeout(COUNTING):
            for size in SIZES:
                fault = await _weigh(ground, size)
                if fault and not taken:
                    return (Finding("max_packet", "unknown", "not even a small one arrives"),)
                if fault:
                    detail = f"takes {taken // KIB:,} KiB, {fault} {size // KIB:,} KiB"
                    return (judged("max_packet", detail, holds=False),)
                taken = size
    return (judged("max_packet", f"at least {taken // KIB:,} KiB", holds=True),)


async def _weigh(ground: Ground, size: int) -> str:
    """What the broker does to a publish of so many bytes; empty where it takes it."""
    topic = ground.topic("large")
    async with ground.visit() as guest:
        await guest.subscribe(topic)
        try:
            await guest.publish(topic, bytes(size), qos=1)
            await guest.settle()
        except BrokerRefused:
            return "refuses"
        except NotConnected:
            return "hangs up on"
        return "" if guest.count(topic) else "acknowledges and drops"


async def dollar(ground: Ground) -> tuple[Finding, ...]:
    """Wildcards leave `$…` alone ([MQTT-4.7.2-1]), and publishing there ends nothing."""
    topic = f"${ground.topic('dollar')}"
    async with ground.visit() as guest:
        await guest.subscribe(f"+{topic.removeprefix(f'${PREFIX}')}")
        await guest.settle()
        try:
            await guest.publish(topic, qos=0)
            alive = await _settles(guest, within=ALIVE_WITHIN)
        except NotConnected:
            alive = False
        matched = guest.count(topic) > 0
    if not alive:
        killed = "the session was killed"
        wildcards = Finding("dollar_wildcards", "no" if matched else "unknown", killed)
        return wildcards, judged("dollar_publish", killed, holds=False)
    return judged("dollar_wildcards", holds=not matched), judged("dollar_publish", holds=True)


async def matching(ground: Ground) -> tuple[Finding, ...]:
    """PUBACK says when no client is subscribed."""
    if not ground.five:
        return (judged("reports_no_match", _NO_MQTT_5, holds=False),)
    async with ground.visit() as guest:
        matched = await guest.publish(ground.topic("nobody"), qos=1)
    return (judged("reports_no_match", holds=matched is False),)


async def measuring(ground: Ground) -> tuple[Finding, ...]:
    """From a QoS 1 publish to its arrival at the same client."""
    times = []
    async with ground.visit() as guest:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            await guest.settle(qos=1)
            times.append(time.perf_counter() - began)
    return (Finding("round_trip", "yes", f"{statistics.median(times) * 1000:.1f} ms"),)


EXPERIMENTS: dict[Experiment, tuple[FindingName, ...]] = {
    exactly_once: ("qos2",),
    basics: ("shared", "redelivery", "overlap"),
    retaining: ("retained",),
    expiring: ("expiry",),
    unsubscribing: ("unsubscribe",),
    dollar: ("dollar_wildcards", "dollar_publish"),
    matching: ("reports_no_match",),
}
"""Those that may run side by side, and what each of them finds; `measuring` wants quiet."""
LABOURS: dict[Experiment, tuple[FindingName, ...]] = {
    queueing: ("persistent",),
    holding_back: ("window",),
    weighing: ("max_packet",),
}
"""Those that give a broker work to do: one after the other, when the others are done."""
