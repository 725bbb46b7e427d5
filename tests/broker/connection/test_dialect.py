"""Which protocol version the next attempt speaks."""

from __future__ import annotations

import pytest

from dskity.broker.connection.version_negotiator import VersionNegotiator
from dskity.broker.settings import ProtocolChoice
from dskity.broker.wire import Silent
from dskity.bus.errors import BrokerRefused, NotConnected

UNSUPPORTED = BrokerRefused("no", 0x84)
CREDENTIALS = BrokerRefused("no", 0x86)


def test_mqtt_5_first_and_the_other_at_once_when_it_is_refused() -> None:
    """CONNACK 132; the answer is remembered."""
    negotiator = VersionNegotiator("auto")
    steps = [negotiator.version]
    assert negotiator.refused(UNSUPPORTED)
    steps.append(negotiator.version)
    assert not negotiator.refused(UNSUPPORTED)
    steps.append(negotiator.version)
    assert steps == [5, 4, 4]


def test_silence_is_a_no_until_a_version_was_accepted() -> None:
    """amqtt waits for the rest of a CONNECT of MQTT 5; a broker that hangs later is in trouble."""
    negotiator = VersionNegotiator("auto")
    assert negotiator.refused(Silent("…"))
    steps = [negotiator.version]
    assert not negotiator.refused(Silent("…"))
    steps.append(negotiator.version)
    negotiator.accepted()
    assert not negotiator.refused(Silent("…"))
    steps.append(negotiator.version)
    assert steps == [4, 5, 5]


@pytest.mark.parametrize("error", [CREDENTIALS, NotConnected("nobody listens")])
def test_other_failures_change_nothing(error: Exception) -> None:
    """They say nothing of versions."""
    negotiator = VersionNegotiator("auto")
    assert not negotiator.refused(error)
    assert negotiator.version == 5


@pytest.mark.parametrize(("choice", "version"), [("5", 5), ("3.1.1", 4)])
def test_a_fixed_choice_stands(choice: ProtocolChoice, version: int) -> None:
    """Whatever the broker says."""
    negotiator = VersionNegotiator(choice)
    assert not negotiator.refused(UNSUPPORTED)
    assert not negotiator.refused(Silent("…"))
    assert negotiator.version == version
