"""What a broker of MQTT 3.1.1 is found to do, and for how long that holds."""

from __future__ import annotations

import pytest

from dskity.broker import trial
from dskity.bus.topics import share
from tests.contract.cells import Cell
from tests.contract.house import TRANSPORTS, open_house


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_trial_that_came_to_no_end_is_made_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next connection; then the group is served after all."""
    cell = Cell(name, "mosquitto-3.1.1")  # type: ignore[arg-type]  # a literal
    group = share("crew", "work")
    async with open_house(cell) as house:
        with monkeypatch.context() as patch:
            patch.setattr(trial, "PATIENCE", 0.0)
            client = await house.client()
            await client.transport.subscribe(group, 1, 1)
            await client.start()
            await client.up()
            assert not client.transport.capabilities.shared
        await client.cut()
        assert client.transport.capabilities.shared
        await client.publish("work", b"1")
        await client.got(1)
