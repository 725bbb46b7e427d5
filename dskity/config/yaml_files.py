"""Reading YAML settings, with the line of every key, duplicates refused.

A file of its own, imported where there is such a file: PyYAML takes 16 ms to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from dskity.bus.errors import InvalidSettings
from dskity.config.layer import KeyPath, Layer

if TYPE_CHECKING:
    from pathlib import Path


def read_yaml(path: Path, text: str) -> Layer:
    """The settings in the text of the file `path`."""
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
            raise InvalidSettings(f"{where}: {key.value} is defined twice: keep one")
        seen.add(key.value)
        here = (*above, key.value)
        origins[here] = where
        if isinstance(value, yaml.MappingNode):
            _note_lines(path, value, here, origins)
