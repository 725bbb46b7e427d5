"""The MQTT libraries are loaded by who uses them."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_loads_no_wire_library() -> None:
    code = (
        "import sys, dskity.broker, dskity.composition.mqtt_transport\n"
        "assert not {'aiomqtt', 'paho', 'amqtt'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
