"""Lifecycle events: one fact, one id; plain CloudEvents for any client."""

from __future__ import annotations

import json

from dskity.bus.events import EVENTS, KvExpired, KvSet, ServiceDown


def test_two_emitters_of_one_fact_make_one_id() -> None:
    first = KvExpired(key="a", version=3, ttl_seconds=1.0, cause="ttl")
    second = KvExpired(key="a", version=3, ttl_seconds=None, cause="sweep")
    assert first.id() == second.id()
    assert first.id() != KvExpired(key="a", version=4).id()
    assert first.id() != KvSet(key="a", version=3).id()
    assert first.id() != KvExpired(key="a", version=3, store="another").id()


def test_an_event_is_a_structured_cloud_event() -> None:
    event = ServiceDown(service="s", instance="i", cause="lost", incarnation=1.0)
    data = json.loads(event.encode("/dskity/runtime/a", 0.5))
    assert data["specversion"] == "1.0"
    assert data["type"] == "dev.dskity.registry.down.v1"
    assert data["time"] == "1970-01-01T00:00:00.500000Z"
    assert data["data"]["cause"] == "lost"
    assert data["subject"] == "s/i"


def test_keys_are_quoted_into_the_topic() -> None:
    event = KvSet(key="a/+/#", version=1)
    assert event.topic_under("root") == "root/kv/set/a/%2B/%23"


def test_every_event_has_a_topic_a_type_and_words_for_the_reference() -> None:
    for event in EVENTS:
        assert event.topic
        assert event.type.startswith("dev.dskity.")
        assert event.type.endswith(".v1")
        assert (event.__doc__ or "").strip()
