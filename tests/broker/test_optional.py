"""mqttium is an extra: without it all else works."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dskity.broker.mqttium.transport import MqttiumTransport
from dskity.broker.settings import ConnectionSettings
from dskity.bus.errors import Unsupported

SETTINGS = ConnectionSettings("mqtt://127.0.0.1", "box")


def test_importing_the_package_loads_no_wire_library() -> None:
    """Who uses a wire loads it."""
    code = (
        "import sys, dskity.broker\n"
        "assert not {'aiomqtt', 'paho', 'mqttium', 'amqtt'} & set(sys.modules)\n"
        "import dskity.broker.mqttium.transport\n"
        "assert 'mqttium' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_mqttium_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what else would do."""
    for name in [name for name in sys.modules if name.startswith("dskity.broker.mqttium.")]:
        if name != "dskity.broker.mqttium.transport":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mqttium", None)
    for name in [name for name in sys.modules if name.startswith("mqttium.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(Unsupported, match=r"pip install 'dskity\[fast\]'") as caught:
        MqttiumTransport(SETTINGS)
    assert "common.mqtt.client: aiomqtt" in str(caught.value)
