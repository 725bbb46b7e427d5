"""Where settings come from, and which source wins.

From the strongest: arguments and `--set`, environment, `.env`, settings file, defaults.
"""

from __future__ import annotations

import os
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from dskity.bus.errors import InvalidSettings
from dskity.config.environment import read_variables
from dskity.config.files import find_file, read_file
from dskity.config.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dskity.config.schema import Node

CONFIG_VARIABLE = "DSKITY_CONFIG"


def collect(arguments: Layer, root: Node, env_file: str | Path | None) -> Layer:
    """All sources, laid over each other, below `arguments`."""
    dotenv = _read_dotenv(env_file)
    variables = ChainMap(dict(os.environ), dict(dotenv))
    settings_file = _settings_file(arguments, variables)
    known = arguments.over(settings_file).values
    return (
        arguments.over(read_variables(os.environ, root, known, "environment variable"))
        .over(read_variables(dotenv, root, known, f"{env_file} variable"))
        .over(settings_file)
    )


def _read_dotenv(env_file: str | Path | None) -> Mapping[str, str]:
    if env_file is None or not Path(env_file).is_file():
        return {}
    found = dotenv_values(env_file, interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _settings_file(arguments: Layer, variables: Mapping[str, str]) -> Layer:
    named = arguments.values.get("config") or variables.get(CONFIG_VARIABLE)
    path = Path(named) if named else find_file()
    if path is None:
        return Layer()
    layer = read_file(path, variables)
    if Path(layer.values.get("config", path)) != path:
        raise InvalidSettings(
            f"config: a settings file cannot name another ({layer.origin(('config',))}): "
            f"use --config or {CONFIG_VARIABLE}"
        )
    if not named:
        layer.put(("config",), f"./{path}", str(path))
    return layer
