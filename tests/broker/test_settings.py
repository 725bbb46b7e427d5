"""Connection settings are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.broker.settings import ConnectionSettings
from dskity.bus.errors import InvalidSettings

URL = "mqtt://url-user:url-secret@host"


def test_own_credentials_take_the_place_of_those_in_the_url() -> None:
    """Each for itself."""
    from_url = ConnectionSettings(URL, "box")
    given = ConnectionSettings(URL, "box", username="me", password="mine")
    assert (from_url.user, from_url.secret) == ("url-user", "url-secret")
    assert (given.user, given.secret) == ("me", "mine")
    assert "mine" not in repr(given)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"client_id": ""}, "common.mqtt.client_id"),
        ({"keepalive": 0}, "common.mqtt.keepalive"),
        ({"keepalive": 65_536}, "common.mqtt.keepalive"),
        ({"session_expiry_seconds": -1}, "common.mqtt.session_expiry_seconds"),
        ({"max_in_flight": 0}, "common.mqtt.max_in_flight"),
        ({"connect_timeout": 0.0}, "common.mqtt.connect_timeout"),
        ({"url": "nonsense"}, "common.mqtt.url"),
    ],
)
def test_a_value_out_of_range_names_its_setting(changes: dict[str, Any], setting: str) -> None:
    """And what may stand there."""
    with pytest.raises(InvalidSettings, match=setting):
        ConnectionSettings(**({"url": URL, "client_id": "box"} | changes))
