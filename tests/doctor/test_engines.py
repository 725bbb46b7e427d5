"""The whole table of each engine, and that a foreign client sees the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from tests.contract.cells import BrokerName, Cell
from tests.contract.house import open_house
from tests.doctor.conftest import Examine
from tests.doctor.witness import Witness

Table = dict[str, tuple[str, str]]
Setup = Literal["mosquitto-5", "mosquitto-3.1.1", "builtin-5", "builtin-3.1.1", "rumqttd"]

FIVE: Table = {
    "mqtt5": ("yes", "MQTT 5"),
    "qos2": ("yes", ""),
    "shared": ("yes", ""),
    "retained": ("yes", ""),
    "redelivery": ("yes", ""),
    "persistent": ("yes", "1,000 of 1,200 messages"),
    "window": ("yes", "at least 300 at once"),  # its own 20 give way to our Receive Maximum
    "expiry": ("yes", ""),
    "dollar_wildcards": ("yes", ""),
    "dollar_publish": ("yes", ""),
    "overlap": ("yes", "identified"),
    "unsubscribe": ("yes", ""),
    "max_packet": ("yes", "at least 16,385 KiB"),
    "reports_no_match": ("yes", ""),
}
OLD: Table = FIVE | {
    "mqtt5": ("no", "MQTT 3.1.1, as the settings say"),
    "window": ("yes", "20 at once"),
    "expiry": ("no", "MQTT 3.1.1 has none"),
    "overlap": ("yes", "once"),
    "reports_no_match": ("no", "MQTT 3.1.1 has none"),
}
OURS: Table = {
    "persistent": ("yes", "at least 1,200 messages"),
    "window": ("yes", "at least 300 at once"),
    "max_packet": ("no", "takes 1,024 KiB, hangs up on 16,385 KiB"),
}
TABLES: dict[Setup, Table] = {
    "mosquitto-5": FIVE,
    "mosquitto-3.1.1": OLD,
    "builtin-5": FIVE | OURS | {"max_packet": ("yes", "16,777,216 bytes")},
    "builtin-3.1.1": OLD | OURS,
    "rumqttd": FIVE
    | {
        "redelivery": ("yes", "not marked as duplicate"),
        "persistent": ("yes", "at least 1,200 messages"),
        "window": ("yes", "100 at once"),
        "unsubscribe": ("no", "no answer in a resumed session"),
        "max_packet": ("no", "takes 1,024 KiB, hangs up on 16,385 KiB"),
        "reports_no_match": ("no", ""),
    },
}
# paho sends what is over the limit that CONNACK tells.
FOREIGN: dict[Setup, Table] = {"builtin-5": {"max_packet": OURS["max_packet"]}}
# As Debian starts it, but for this limit, which our test server lifts.
DEFAULTS = ("max_queued_messages 1000",)


@contextlib.asynccontextmanager
async def engine(name: BrokerName) -> AsyncIterator[int]:
    """The port of one."""
    lines = DEFAULTS if name.startswith("mosquitto") else ()
    async with open_house(Cell("aiomqtt", name), lines) as house:
        yield house.broker.port


@pytest.mark.parametrize("name", TABLES)
async def test_the_examination_says_what_is_so(name: Setup, examine: Examine) -> None:
    """Row by row, with the details; the round trip is a time, and no fact."""
    expected = TABLES[name]
    async with engine(name) as port:
        found = await examine(port, protocol="3.1.1" if name.endswith("3.1.1") else "auto")
    told = {finding.name: (finding.verdict, finding.detail) for finding in found.findings}
    assert told.pop("round_trip")[0] == "yes"
    assert told == expected


@pytest.mark.parametrize("name", TABLES)
async def test_a_foreign_client_sees_the_same(name: Setup) -> None:
    """Another library, other code: these tables are facts about the brokers."""
    async with engine(name) as port:
        witness = Witness(port, five=TABLES[name]["mqtt5"][0] == "yes")
        facts = await asyncio.to_thread(witness.facts)
    expected = TABLES[name] | FOREIGN.get(name, {})
    assert facts == {row: expected[row] for row in facts}
    assert set(expected) - set(facts) == {"mqtt5", "window", "dollar_publish"}
