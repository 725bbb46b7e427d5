"""Reading a settings file: YAML or TOML, with the line of every key, duplicates refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

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
        layer = _read_yaml(path, text)
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
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}") from error
    layer = Layer()
    for key, value in values.items():
        layer.put((key,), value, str(path))
    return layer


def _read_yaml(path: Path, text: str) -> Layer:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidSettings(f"{path}{_place(error)}: {_reason(error)}") from error
    if root is None or values is None:
        return Layer()
    if not isinstance(root, yaml.MappingNode):
        kind = root.tag.rpartition(":")[2]
        raise InvalidSettings(f"{path} holds a {kind}: write `key: value` lines")
    layer = Layer(values)
    _note_lines(path, root, (), layer.origins)
    return layer


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "\\t" in problem:
        return f"{problem}: indent with spaces instead of tabs"
    if "mapping values are not allowed" in problem:
        return f"{problem}: quote the value, or check the indentation"
    if "cannot start any token" in problem:
        return f"{problem}: quote the value"
    if "expected <block end>" in problem:
        return f"{problem}: align the keys of one section to the same column"
    return f"{problem}: check the indentation, the colons and the quotes here"


def _note_lines(
    path: Path, node: yaml.MappingNode, above: KeyPath, origins: dict[KeyPath, str]
) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        where = f"{path}, line {key.start_mark.line + 1}"
        if key.tag != "tag:yaml.org,2002:str":
            raise InvalidSettings(f"{where}: the key {key.value} is not text: put it in quotes")
        if key.value in seen:
            raise InvalidSettings(f"{where}: {key.value} is there twice: keep one of them")
        seen.add(key.value)
        here = (*above, key.value)
        origins[here] = where
        if isinstance(value, yaml.MappingNode):
            _note_lines(path, value, here, origins)


def _replace(value: Any, path: KeyPath, layer: Layer, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replace(item, (*path, key), layer, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, path, layer, variables) for item in value]
    if isinstance(value, str) and "$" in value:
        return substitute(value, variables, lambda: f"{layer.origin(path)}, {'.'.join(path)}")
    return value
