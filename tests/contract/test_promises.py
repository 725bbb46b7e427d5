"""What each cell cannot promise, it says itself: nothing is silently different."""

from __future__ import annotations

from tests.contract.cells import CANNOT, Cell
from tests.contract.house import House

PROMISES = ("headers", "expiry", "reports_no_match", "shared", "redelivery", "persistent")


async def test_capabilities_tell_what_the_table_tells(cell: Cell, house: House) -> None:
    """A route that needs more can be refused at start."""
    client = await house.connected()
    told = {name: getattr(client.transport.capabilities, name) for name in PROMISES}
    assert told == {name: name not in CANNOT[cell.broker] for name in PROMISES}


async def test_the_protocol_is_told(cell: Cell, house: House) -> None:
    """MQTT 5, unless the settings say 3.1.1."""
    client = await house.connected()
    old = {"mosquitto-3.1.1", "builtin-3.1.1"}
    expected = "memory" if cell.broker == "memory" else "MQTT 5"
    if cell.broker in old:
        expected = "MQTT 3.1.1"
    assert client.transport.capabilities.protocol == expected


async def test_overlapping_filters_are_told(cell: Cell, house: House) -> None:
    """MQTT 5 names subscriptions; on 3.1.1 mosquitto 2 and ours send one copy."""
    client = await house.connected()
    once = {"mosquitto-3.1.1", "builtin-3.1.1"}
    expected = "once" if cell.broker in once else "identified"
    assert client.transport.capabilities.overlap == expected
