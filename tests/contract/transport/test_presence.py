"""The will: sent when we vanish, and only then."""

from __future__ import annotations

import pytest

from dskity.bus.message import Message
from tests.contract.house import House

WILL = Message("presence/box", b"lost", retain=True)


async def test_the_will_is_published_when_the_client_vanishes(house: House) -> None:
    """Its connection is gone without a DISCONNECT."""
    watcher = await house.connected("watcher")
    await watcher.transport.subscribe("presence/#", 1, 1)
    box = await house.connected("box", will=WILL)
    await box.kill()
    await watcher.got(1)
    assert watcher.payloads == [b"lost"]


async def test_no_will_is_published_after_a_clean_close(house: House) -> None:
    """DISCONNECT takes it back."""
    watcher = await house.connected("watcher")
    await watcher.transport.subscribe("presence/#", 1, 1)
    box = await house.connected("box", will=WILL)
    await box.transport.close()
    await watcher.publish("presence/end", b"end")
    await watcher.got(1)
    assert watcher.payloads == [b"end"]


@pytest.mark.needs("headers")
async def test_a_will_has_properties_too(house: House) -> None:
    """Content type and headers, as any message."""
    watcher = await house.connected("watcher")
    await watcher.transport.subscribe("presence/#", 1, 1)
    will = Message("presence/box", b"{}", content_type="application/json", headers={"a": "b"})
    box = await house.connected("box", will=will)
    await box.kill()
    await watcher.got(1)
    message = watcher.deliveries[0].message()
    assert (message.content_type, message.headers) == ("application/json", {"a": "b"})
