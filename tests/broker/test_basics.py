"""What a broker of MQTT 3.1.1 is found to do, and for how long that holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.broker.probe import basics
from dskity.broker.probe import client as visit
from dskity.bus.topics import share
from tests.contract.cells import Cell
from tests.contract.house import open_house

# A publish that mosquitto forbids ends the connection; what may not be read is dropped in silence.
_ACLS = {
    "neither": "topic readwrite work/#\n",
    "no reading": "topic write #\ntopic readwrite work/#\n",
}


async def test_a_trial_that_came_to_no_end_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next connection; then the group is served after all."""
    cell = Cell("aiomqtt", "mosquitto-3.1.1")
    group = share("crew", "work")
    async with open_house(cell) as house:
        with monkeypatch.context() as patch:
            patch.setattr(basics, "PATIENCE", 0.0)
            client = await house.client()
            await client.transport.subscribe(group, 1, 1)
            await client.start()
            await client.up()
            assert not client.transport.capabilities.shared
        await client.cut()
        assert client.transport.capabilities.shared
        await client.publish("work", b"1")
        await client.got(1)


@pytest.mark.parametrize("allowed", _ACLS.values(), ids=_ACLS)
@pytest.mark.parametrize("broker", ["mosquitto-3.1.1", "mosquitto-5"])
async def test_an_acl_without_the_trial_holds_up_no_start(
    broker: str,
    allowed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The trial as a whole may take as long as a slow line needs; silence ends it sooner, and the
    log says what to allow."""
    monkeypatch.setattr(basics, "PATIENCE", 600.0)
    acl = tmp_path / "acl"
    acl.write_text(allowed)
    acl.chmod(0o600)
    cell = Cell("aiomqtt", broker)  # type: ignore[arg-type]  # a literal
    async with open_house(cell, (f"acl_file {acl}",)) as house:
        client = await house.client()
        await client.transport.subscribe("work/#", 1, 1)
        await client.start()
        await client.up()
        await client.publish("work/a", b"1", qos=1)
        await client.got(1)
        can = client.transport.capabilities
    told = [record.message for record in caplog.records if visit.PREFIX in record.message]
    if broker == "mosquitto-3.1.1":
        assert not can.shared
        assert len(told) == 1
        assert "allow this user to publish and subscribe there" in told[0]
    else:
        assert can.shared
        assert not told
