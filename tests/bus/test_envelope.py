"""The envelope carries every MQTT 5 field across a 3.1.1 connection."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus import envelope
from dskity.bus.base.text import fault_in
from dskity.bus.message import Message

NOW = 1_700_000_000.0
texts = st.text(max_size=20).filter(lambda text: fault_in(text) is None)


@given(
    payload=st.binary(max_size=50),
    headers=st.dictionaries(texts, texts, max_size=4),
    correlation=st.one_of(st.none(), st.binary(min_size=1, max_size=20)),
    reply_to=st.one_of(st.none(), st.just("reply/here")),
)
def test_what_is_wrapped_comes_out_the_same(
    payload: bytes, headers: dict[str, str], correlation: bytes | None, reply_to: str | None
) -> None:
    message = Message("t", payload, 1, False, "x/y", headers, reply_to, correlation, 30.0)
    wrapped = envelope.wrap(message, "/here", NOW)
    assert wrapped.startswith(envelope.PREFIX)
    opened = envelope.unwrap(wrapped, NOW)
    assert opened is not None
    inner, meta = opened
    assert inner == payload
    assert meta.enveloped
    assert (meta.content_type, dict(meta.headers)) == ("x/y", headers)
    assert (meta.reply_to, meta.correlation) == (reply_to, correlation)
    assert meta.expires_in == pytest.approx(30.0)


def test_json_stays_readable_in_the_envelope() -> None:
    message = Message("t", b'{"a":[1,null]}', content_type="application/json", reply_to="r")
    data = json.loads(envelope.wrap(message, "/here", NOW))
    assert data["data"] == {"a": [1, None]}
    assert data["replyto"] == "r"
    assert data["specversion"] == "1.0"


@pytest.mark.parametrize(
    "payload", [b'{"a": 1}', b"[1e2]", '{"a":"é"}'.encode(), b"{", b'"\\ud800"']
)
def test_json_arrives_byte_for_byte(payload: bytes) -> None:
    """A webhook's signature and a dead letter's replay depend on the very bytes."""
    message = Message("t", payload, content_type="application/json", reply_to="r")
    opened = envelope.unwrap(envelope.wrap(message, "/here", NOW), NOW)
    assert opened is not None
    assert opened[0] == payload


def test_a_foreign_event_is_left_as_it_is() -> None:
    event = b'{"specversion":"1.0","type":"com.example","id":"1","source":"/x","data":1}'
    assert envelope.unwrap(event, NOW) is None


@pytest.mark.parametrize(
    "payload",
    [
        b'{"specversion',
        b'{"specversion":"1.0","type":"dev.dskity.message.v1","data_base64":"%%%"}',
        b'{"specversion":"1.0","replyto":"a","expirytime":"yesterday"}',
        b'{"specversion":"1.0","replyto":"a","h_x_zz":"1"}',
    ],
)
def test_a_broken_envelope_is_a_plain_payload(payload: bytes) -> None:
    assert envelope.unwrap(payload, NOW) is None


def test_a_device_may_write_correlation_as_plain_text() -> None:
    opened = envelope.unwrap(b'{"specversion":"1.0","correlationid":"job-7!","data":1}', NOW)
    assert opened is not None
    assert opened[1].correlation == b"job-7!"
