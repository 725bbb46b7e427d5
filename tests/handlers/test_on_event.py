"""`@on_event`: a handler of a lifecycle event is three lines, and gets an object of its type."""

from __future__ import annotations

import json
import types
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from dskity import (
    CommandChanged,
    Dedupe,
    Event,
    KvDeleted,
    KvExpired,
    KvSet,
    Message,
    ModuleChanged,
    Reject,
    ServiceDown,
    ServiceUp,
    on,
    on_event,
)
from dskity.bus import topics
from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, InvalidHandler
from dskity.bus.events import EVENTS, KvChanged
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.bus.store.dedup_store import DedupStore
from dskity.handlers import Dispatcher, RoutePolicy, declared
from tests.waiting import until

ROOT = "plant/hall-1"
SAMPLES: tuple[Event, ...] = (
    KvSet("a/b", 1, ttl_seconds=1.5, store="s"),
    KvDeleted("a/b", 2, 2),
    KvExpired("a/b", 3, 3, 60.0, "ttl", "s"),
    ServiceUp("cam", "1", "registered", 1_700_000_000.25, "http://a"),
    ServiceDown("d 1", "d#1", "lost", 1.0, kind="device"),
    ModuleChanged("vents", "failed", "r1", 4, "why", "abc"),
    CommandChanged("vent", "e1", "in_progress", "open", progress={"percent": 12.5, "n": [1, -0.0]}),
)


@dataclass
class House:
    """A bus whose root has two levels, and what was dead-lettered on it."""

    bus: Bus
    dead: list[str]

    async def register(self, owner: object) -> None:
        for mark in declared(owner):
            await self.bus.subscribe(mark.filter, mark.handler, **mark.policy)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    seen = DedupStore(tmp_path / "seen.db", what="the record", keep=3600.0)
    await seen.open()
    dispatcher = Dispatcher(seen=seen)
    bus = Bus(MemoryTransport(MemoryBroker()), dispatcher, root=ROOT)
    await bus.start()
    house = House(bus, [])

    async def letter(message: Message) -> None:
        house.dead.append(message.headers["dskity-error"])

    await bus.subscribe("{root}/dead-letter/#", letter)
    yield house
    await dispatcher.close()
    await bus.close()
    await seen.close()


class Sessions:
    """A module's class with the three lines."""

    def __init__(self) -> None:
        self.gone_ones: list[tuple[KvExpired, str]] = []

    @on_event(KvExpired, key="sessions/{id}")
    async def gone(self, event: KvExpired, id: str) -> None:
        self.gone_ones.append((event, id))


async def test_an_expiry_handler_is_three_lines(house: House) -> None:
    """It gets the event as an object of its type, and the captured level as it was in the key."""
    sessions, event = Sessions(), KvExpired("sessions/a+b", 7, 7, 60.0, "ttl", "store")
    await house.register(sessions)
    await house.bus.emit(KvExpired("others/1", 1))
    await house.bus.emit(KvSet("sessions/1", 1))
    await house.bus.emit(event)
    await until(lambda: sessions.gone_ones, "the handler has run")
    assert sessions.gone_ones == [(event, "a+b")]
    assert house.dead == []


async def test_functions_of_a_flat_file_are_marked_in_the_same_way(house: House) -> None:
    seen: list[tuple[str, str, str]] = []

    @on_event(ServiceDown, service="camera")
    async def down(event: ServiceDown, instance: str) -> None:
        seen.append((event.service, instance, event.cause))

    module = types.ModuleType("flat")
    vars(module)["down"] = down
    await house.register(module)
    await house.bus.emit(ServiceDown("other", "a", "lost", 1.0))
    await house.bus.emit(ServiceDown("camera", "a", "lost", 1.0))
    await until(lambda: seen, "the handler has run")
    assert seen == [("camera", "a", "lost")]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
async def test_every_event_of_the_runtime_has_its_handler(house: House, event: Event) -> None:
    """Without a word more it gets all of its type; the event comes back equal to what was sent."""
    seen: list[Event] = []

    async def handler(event: Event) -> None:
        seen.append(event)

    module = types.ModuleType("flat")
    vars(module)["handler"] = on_event(type(event))(handler)
    await house.register(module)
    await house.bus.emit(event)
    await until(lambda: seen or house.dead, "it came")
    assert (seen, house.dead) == ([event], [])


def test_the_samples_are_all_there_are() -> None:
    assert {type(sample) for sample in SAMPLES} == set(EVENTS)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_each_field_of_the_topic_narrows_to_exactly_its_own_value(event: Event) -> None:
    """Quoted as the topic quotes it, so that no `+` of a name is a wildcard."""
    for name in event.topic_fields():
        value = str(getattr(event, name))
        pattern = topics.parse(event.pattern({name: value}), ROOT)
        assert topics.matches(pattern.filter, event.topic_under(ROOT))
        other = topics.parse(event.pattern({name: value + "x"}), ROOT)
        assert not topics.matches(other.filter, event.topic_under(ROOT))


def test_text_is_literal_and_braces_capture() -> None:
    wire = topics.parse(KvSet.pattern({"key": "a+/#/{b}/{c...}"}), "r")
    assert wire.filter == "r/kv/set/a%2B/%23/+/+/#"
    assert wire.names == ("b", "c")


def test_the_topic_s_fields_are_no_words_of_on() -> None:
    """Else one could not be told from the other."""
    words = {word.name for word in fields(RoutePolicy)} | {"connection"}
    for event in EVENTS:
        assert not words & set(event.topic_fields()), event


async def test_the_words_of_on_pass_through(house: House) -> None:
    @on_event(KvExpired, key="sessions/{id}", order_by="id", qos=0, timeout=5, connection="other")
    async def gone(event: KvExpired) -> None: ...

    module = types.ModuleType("flat")
    vars(module)["gone"] = gone
    (mark,) = declared(module)
    assert mark.connection == "other"
    assert mark.policy == {"order_by": "id", "qos": 0, "timeout": 5, "event": KvExpired}
    house.bus.check(mark.filter, mark.handler, **mark.policy)


async def test_an_event_that_comes_twice_is_known_by_its_id(house: House) -> None:
    seen: list[int] = []

    @on_event(KvDeleted, dedupe=Dedupe("id"))
    async def deleted(event: KvDeleted) -> None:
        seen.append(event.version)

    module = types.ModuleType("flat")
    vars(module)["deleted"] = deleted
    await house.register(module)
    for version in (1, 1, 2):
        await house.bus.emit(KvDeleted("a", version))
    await until(lambda: 2 in seen, "the last one came")
    assert seen == [1, 2]


def changed(**changes: Any) -> bytes:
    """An event of a key, with fields of its envelope changed; None takes one out."""
    envelope = KvExpired("sessions/1", 7).envelope("/x", 0.0) | changes
    return json.dumps({k: v for k, v in envelope.items() if v is not None}).encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"gone", "not JSON"),
        (b'{"key": "sessions/1", "version": 7}', "CloudEvents JSON object"),
        (changed(type=KvSet.type), "of the type 'dev.dskity.kv.set.v1'"),
        (changed(data={"key": "sessions/1"}), "data.version: Field required"),
        (changed(data={"key": "sessions/1", "version": "x"}), "data.version"),
        (changed(data=None), "data"),
        (changed(id="made-up"), "its id is 'made-up'"),
        (changed(id=None), "its id is None"),
        (changed(data={"key": "sessions/2", "version": 7}), "that of its data"),
        (KvExpired("sessions/2", 7).encode("/x", 0.0), "belongs on …/kv/expired/sessions/2"),
        (KvExpired("1", 7).encode("/x", 0.0), "belongs on …/kv/expired/1"),
    ],
)
async def test_what_is_no_such_event_is_a_dead_letter(
    house: House, payload: bytes, reason: str
) -> None:
    sessions = Sessions()
    await house.register(sessions)
    await house.bus.publish(f"{ROOT}/kv/expired/sessions/1", payload)
    await until(lambda: house.dead, "the dead letter came")
    assert reason in house.dead[0]
    assert sessions.gone_ones == []


async def test_an_annotation_says_it_too(house: House) -> None:
    """With a filter of one's own, which may take several types."""
    seen: list[Event] = []

    class Both:
        @on("{root}/kv/+/{key...}")
        async def changed(self, event: KvSet | KvDeleted, key: str) -> None:
            assert key == event.key
            seen.append(event)

        @on("{root}/registry/+/+/+")
        async def presence(self, event: Event) -> None:
            seen.append(event)
            raise Reject("only once")

    await house.register(Both())
    first, second, third = KvSet("a", 1), KvDeleted("a", 1), SAMPLES[3]
    for event in (first, second, KvExpired("a", 1), third):
        await house.bus.emit(event)
    await until(lambda: len(seen) == 3 and len(house.dead) == 2, "all came")
    assert set(seen) == {first, second, third}


class Reading:
    """Not an event."""


@pytest.mark.parametrize("annotation", [Reading, bytes, dict, KvSet, int | None])
async def test_another_model_is_refused_with_the_event_s_own_fields(
    house: House, annotation: Any
) -> None:
    async def gone(event: Any) -> None: ...

    gone.__annotations__["event"] = annotation
    with pytest.raises(InvalidHandler, match=r"annotate it with KvExpired.*key, version.*store"):
        house.bus.check("{root}/kv/expired/#", gone, event=KvExpired)


@pytest.mark.parametrize("annotation", [KvExpired, KvChanged, Event, KvSet | KvExpired, Any])
async def test_the_class_a_base_and_a_union_are_taken(house: House, annotation: Any) -> None:
    async def gone(event: Any) -> None: ...

    gone.__annotations__["event"] = annotation
    house.bus.check("{root}/kv/expired/#", gone, event=KvExpired)


@pytest.mark.parametrize(
    ("event", "words", "says"),
    [
        (KvExpired, {"kee": "a"}, "unknown option 'kee'.*its events have key"),
        (KvExpired, {"service": "a"}, "'service'.*its events have key"),
        (ServiceUp, {"servise": "a"}, "its events have service, instance"),
        (KvExpired, {"key": ""}, "key=''"),
        (KvExpired, {"key": 7}, "key=7"),
        (KvExpired, {"key": "{a}/{a}"}, "captures 'a' twice"),
        (KvExpired, {"key": "{a...}/b"}, "must be the last level"),
        (KvExpired, {"key": "{root}/b"}, "give this capture another name"),
        (ServiceUp, {"service": "a/b"}, "service is one level"),
        (KvChanged, {}, "write one of KvSet, KvDeleted, KvExpired"),
        (Reading, {}, "on_event.Reading.*write one of"),
        ("kv", {}, "on_event.kv.*write one of"),
    ],
)
def test_a_wrong_word_or_type_is_an_error_that_says_what_exists(
    event: Any, words: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidHandler, match=says):
        on_event(event, **words)


def test_a_policy_takes_only_the_events_that_exist() -> None:
    with pytest.raises(DSkityError, match="write one of KvSet"):
        on("a/#", event=KvChanged)
