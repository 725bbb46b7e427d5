"""The kit for testing modules: a pytest plugin, and what its fixtures are made of.

Layout, lowest first:

    waiting.py    wait for a fact instead of sleeping   settings.py  settings that read nothing
    faults.py     a client whose connection misbehaves  broker.py    the broker that makes them
    memory.py     a bus without a runtime               captures.py  record, save, load, replay
    runtimes.py   runtimes in memory                    plugin.py    the fixtures

Every pytest session of an environment that has DSkity imports `plugin.py`, and with it this file:
so names are looked up in their homes only when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dskity.testing.broker import ScriptedBroker
    from dskity.testing.captures import Capture, load, record, replay, save
    from dskity.testing.faults import ScriptedTransport
    from dskity.testing.memory import memory_bus
    from dskity.testing.runtimes import Runtimes, http_client
    from dskity.testing.settings import isolated_settings
    from dskity.testing.waiting import until

__all__ = [
    "Capture",
    "Runtimes",
    "ScriptedBroker",
    "ScriptedTransport",
    "http_client",
    "isolated_settings",
    "load",
    "memory_bus",
    "record",
    "replay",
    "save",
    "until",
]

_HOMES = {
    "Capture": "captures",
    "Runtimes": "runtimes",
    "ScriptedBroker": "broker",
    "ScriptedTransport": "faults",
    "http_client": "runtimes",
    "isolated_settings": "settings",
    "load": "captures",
    "memory_bus": "memory",
    "record": "captures",
    "replay": "captures",
    "save": "captures",
    "until": "waiting",
}


def __getattr__(name: str) -> Any:
    """One of `__all__`, from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
