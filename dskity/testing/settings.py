"""Settings for a test: nothing is read, no port is opened, nothing stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dskity.config import DSkitySettings

_ISOLATED: Mapping[str, Any] = {
    "host": "127.0.0.1",
    "port": 0,
    "modules_search_paths": (),
    "modules_entry_points": False,
    "broker": {"engine": "none", "port": 0},
    "kv": {"store": "inmemory"},
    "http": {"enabled": False},  # the app is served without a socket
    "grpc": {"enabled": False, "host": "127.0.0.1", "port": 0},
}


def isolated_settings(state_dir: Path, **values: Any) -> DSkitySettings:
    """The defaults of a test with `values` over them, sections key by key.

    The doors are closed, and listen on a free loopback port where `values` open them; the keys are
    in memory, no broker is started, and no module is looked for.
    """
    return DSkitySettings.isolated(**_over(_ISOLATED, {"state_dir": state_dir, **values}))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            merged[key] = _over(inner, value)
        else:
            merged[key] = value
    return merged
