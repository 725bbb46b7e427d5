"""Where and with what was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.broker import mosquitto_path

_PACKAGES = ("mqttium", "aiomqtt", "gmqtt", "faststream", "zmqtt", "pydantic", "fastapi", "grpcio")


def machine() -> str:
    """Processor, cores and load: what else ran there at the time."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    model = found[1] if found else platform.machine()
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, load average {load:.1f}"


def versions() -> dict[str, str]:
    """Python, mosquitto and the packages."""
    return {
        "python": platform.python_version(),
        "mosquitto": _mosquitto(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _mosquitto() -> str:
    shown = subprocess.run(
        (mosquitto_path(), "-h"), check=False, capture_output=True, text=True
    ).stdout
    found = re.search(r"version (\S+)", shown)
    return found[1] if found else "unknown"
