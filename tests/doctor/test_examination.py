"""Each row of the table, for each broker."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import get_args

import pytest

from dskity.broker.probe import examination
from dskity.broker.probe.findings import FindingName
from dskity.bus.errors import BrokerRefused, NotConnected
from tests.doctor.conftest import Examine, verdicts
from tests.engines.device import device
from tests.servers import HOST, free_port, mosquitto
from tests.waiting import until

ALL_YES = dict.fromkeys(get_args(FindingName), "yes")
OLD = {"mqtt5": "no", "expiry": "no", "reports_no_match": "no"}
WITHIN = 15.0  # seconds on a busy machine; 3 on an idle one


async def test_mosquitto_by_mqtt_5(examine: Examine) -> None:
    """It does everything; the details say how."""
    with mosquitto(("max_packet_size 100000",)) as broker:
        began = time.monotonic()
        found = await examine(broker.port)
        assert time.monotonic() - began < WITHIN
    assert verdicts(found) == ALL_YES
    assert found.url == f"mqtt://{HOST}:{broker.port}"
    assert (found["mqtt5"].detail, found["overlap"].detail) == ("MQTT 5", "identified")
    assert found["max_packet"].detail == "100,000 bytes"
    assert found["persistent"].detail == "at least 1,200 messages"
    assert found["round_trip"].detail.endswith(" ms")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves tasks
async def test_an_amqtt_as_it_comes(examine: Examine, untamed: int) -> None:
    """Each of its faults is found, also what it grants and does not do."""
    found = await examine(untamed, protocol="3.1.1")
    faults: dict[str, str] = dict.fromkeys(
        ("shared", "redelivery", "persistent", "dollar_publish", "overlap"), "no"
    )
    told = verdicts(found)
    assert told.pop("unsubscribe") in {"yes", "unknown"}  # in a resumed session it may hang
    assert told == {
        name: verdict
        for name, verdict in (ALL_YES | OLD | faults | {"dollar_wildcards": "unknown"}).items()
        if name != "unsubscribe"
    }
    assert found["shared"].detail == "granted, but nothing is delivered"
    assert found["overlap"].detail == "each"
    assert found["dollar_publish"].detail == "the session was killed"


@pytest.mark.parametrize(
    ("line", "name", "verdict", "detail"),
    [
        ("max_queued_messages 300", "persistent", "yes", "300 of 1,200 messages"),
        ("max_queued_messages 1000", "persistent", "yes", "1,000 of 1,200 messages"),
        ("retain_available false", "retained", "no", "the broker declares that it keeps none"),
        ("max_qos 1", "qos2", "no", "QoS 1 is granted in its place"),
        ("message_size_limit 2000", "max_packet", "no", r"takes 1 KiB, \w+(s up on)? 128 KiB"),
    ],
)
async def test_a_broker_that_is_set_to_do_less(
    examine: Examine, line: str, name: FindingName, verdict: str, detail: str
) -> None:
    """By its own configuration; mosquitto drops above its limit in silence."""
    with mosquitto((line,)) as broker:
        found = await examine(broker.port)
    assert found[name].verdict == verdict
    assert re.fullmatch(detail, found[name].detail)
    assert verdicts(found) == ALL_YES | {name: verdict}


async def test_a_limit_that_mqtt_3_1_1_cannot_tell_is_found(examine: Examine) -> None:
    """mosquitto hangs up on it, by the second option with an acknowledgement before that."""
    for line in ("max_packet_size 100000", "message_size_limit 100000"):
        with mosquitto((line,)) as broker:
            found = await examine(broker.port, protocol="3.1.1")
        assert verdicts(found) == ALL_YES | OLD | {"max_packet": "no"}
        assert found["max_packet"].detail == "takes 1 KiB, hangs up on 128 KiB"


async def test_nothing_is_left_behind(examine: Examine) -> None:
    """No retained message, and no session of those that came back."""
    with mosquitto() as broker:
        await examine(broker.port)
        async with device(broker.port) as watcher:
            await watcher.subscribe("dskity-trial/#")
            await watcher.publish("dskity-trial/last", b"")
            await until(lambda: watcher.received, "the message behind all retained ones")
            assert [message[0] for message in watcher.received] == ["dskity-trial/last"]
        for name in ("redelivery", "persistent", "expiry", "unsubscribe"):
            async with device(broker.port, client_id=f"examiner-{name}", clean=False) as client:
                assert not client.resumed, name


async def test_what_an_acl_forbids_is_not_known(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is not called a no."""
    monkeypatch.setattr(examination, "PATIENCE", 0.5)
    acl = tmp_path / "acl"
    acl.write_text("topic read none\n")
    with mosquitto((f"acl_file {acl}",)) as broker:
        found = await examine(broker.port)
    for name in get_args(FindingName):
        expected = "yes" if name == "mqtt5" else "unknown"
        assert found[name].verdict == expected or name == "reports_no_match", name
    assert "does an ACL forbid dskity-trial/#?" in found["dollar_publish"].detail
    assert "allow it in the broker's ACL" in found["shared"].detail


async def test_of_several_nodes_the_first_that_is_there_is_examined(examine: Examine) -> None:
    """And named."""
    with mosquitto() as broker:
        urls = tuple(f"mqtt://{HOST}:{port}" for port in (free_port(), broker.port))
        found = await examine(0, url=urls)
    assert found.url == urls[1]
    assert found["mqtt5"].verdict == "yes"


async def test_a_broker_that_does_not_let_us_in_is_an_error(examine: Examine) -> None:
    """The one clear line of it."""
    with pytest.raises(NotConnected, match="connection refused"):
        await examine(free_port())
    with (
        mosquitto(users={"greenhouse": "right"}) as broker,
        pytest.raises(BrokerRefused, match="not authorized"),
    ):
        await examine(broker.port, username="greenhouse", password="wrong")
