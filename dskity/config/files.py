"""Finding and reading a settings file. What reads its format is imported when there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dskity.bus.errors import InvalidSettings
from dskity.config.layer import KeyPath, Layer
from dskity.config.variables import substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FILES = ("settings.yaml", "settings.yml", "settings.toml")


def find_file() -> Path | None:
    """The settings file of the working directory, if there is one."""
    found = [Path(name) for name in DEFAULT_FILES if Path(name).is_file()]
    if len(found) > 1:
        names = " and ".join(map(str, found))
        raise InvalidSettings(f"there are {names}: keep one of them, or choose with --config")
    return found[0] if found else None


def read_file(path: Path, variables: Mapping[str, str]) -> Layer:
    """The settings in a file, its variables replaced."""
    text = _read_text(path)
    if path.suffix == ".toml":
        layer = _read_toml(path, text)
    elif path.suffix in {".yaml", ".yml", ".json"}:
        from dskity.config.yaml_files import read_yaml  # noqa: PLC0415

        layer = read_yaml(path, text)
    else:
        raise InvalidSettings(f"settings file {path}: name it .yaml, .yml, .json or .toml")
    layer.values = _replace(layer.values, (), layer, variables)
    return layer


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidSettings(f"settings file {path} does not exist: check --config") from None
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"settings file {path} is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise InvalidSettings(f"settings file {path} cannot be read: {error.strerror}") from error


def _read_toml(path: Path, text: str) -> Layer:
    import tomllib  # noqa: PLC0415

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}") from error
    layer = Layer()
    for key, value in values.items():
        layer.put((key,), value, str(path))
    return layer


def _replace(value: Any, path: KeyPath, layer: Layer, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replace(item, (*path, key), layer, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, path, layer, variables) for item in value]
    if isinstance(value, str) and "$" in value:
        return substitute(value, variables, lambda: f"{layer.origin(path)}, {'.'.join(path)}")
    return value
