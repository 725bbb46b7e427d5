"""UNSUBSCRIBE, and a broker that takes its time to answer."""

from __future__ import annotations

import logging

import pytest

from dskity.broker.connection import placement
from tests.contract.cells import Cell
from tests.contract.house import open_house
from tests.waiting import until


async def test_an_unsuback_that_comes_late_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller has gone on; the connection lives, and the filter can be had again."""
    monkeypatch.setattr(placement, "UNANSWERED", 0.1)
    async with open_house(Cell("aiomqtt", "mosquitto-5")) as house:
        client = await house.connected()
        await client.transport.subscribe("t", 1, 1)
        assert client.proxy is not None
        client.proxy.hold()
        with caplog.at_level(logging.WARNING):
            await client.transport.unsubscribe("t")
        assert "t: the broker does not answer UNSUBSCRIBE" in caplog.text
        client.proxy.release()
        assert await client.publish("t") is False
        await client.transport.subscribe("t", 1, 2)
        assert await client.publish("t", b"again") is True
        await until(lambda: client.payloads == [b"again"], "the message")
        assert client.downs == []
