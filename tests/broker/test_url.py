"""Broker URLs."""

from __future__ import annotations

import pytest

from dskity.broker.url import BrokerUrl, parse_url
from dskity.bus.errors import InvalidSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://host", BrokerUrl("mqtt", "host", 1883)),
        ("mqtts://host", BrokerUrl("mqtts", "host", 8883)),
        ("ws://host", BrokerUrl("ws", "host", 80, "/mqtt")),
        ("wss://host:9001/other?a=b", BrokerUrl("wss", "host", 9001, "/other?a=b")),
        ("mqtt://[::1]:1884/", BrokerUrl("mqtt", "::1", 1884)),
        ("mqtt://me:p%40ss@host", BrokerUrl("mqtt", "host", 1883, "", "me", "p@ss")),
    ],
)
def test_a_url_gives_scheme_host_port_path_and_user(text: str, expected: BrokerUrl) -> None:
    """With the default ports of each scheme, and quoting undone."""
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("host:1883", "scheme 'host'"),
        ("http://host", "scheme 'http'"),
        ("mqtt://", "names no host"),
        ("mqtt://host:0", "port 0"),
        ("mqtt://host:99999", "Port out of range"),
        ("mqtt://host:abc", "Port could not be cast"),
        ("mqtt://host/path", "only ws:// and wss:// have a path"),
        ("mqtt://[::1", "Invalid IPv6"),
        ("", "scheme ''"),
    ],
)
def test_a_bad_url_is_an_error_with_the_mend(text: str, wrong: str) -> None:
    """It says what is wrong, and what to write."""
    with pytest.raises(InvalidSettings) as caught:
        parse_url(text)
    assert wrong in str(caught.value)
    assert "write common.mqtt.url as mqtt://host:1883" in str(caught.value)


def test_its_text_hides_the_password() -> None:
    """It stands in logs and errors."""
    url = parse_url("mqtts://me:secret@[::1]")
    assert str(url) == "mqtts://[::1]:8883"
    assert "secret" not in repr(url)
