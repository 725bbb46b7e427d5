"""docs/reference/settings.md, from the models; `python -m dskity.config.reference` writes it."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize, SecretStr

from dskity.config.descriptions import descriptions
from dskity.config.environment import RESERVED
from dskity.config.schema import env_name
from dskity.config.sections.modules import Modules, ModuleSettings
from dskity.config.sections.section import OneIsAList
from dskity.config.settings import DSkitySettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = ("| key | type | default | variable | meaning |", "|---|---|---|---|---|")
PATH = Path("docs/reference/settings.md")
_INTRODUCTION = """\
<!-- Made from the models in dskity/config/sections/: change it there. -->

# Settings

A value comes from the first of these that has it:

1. the command line: `--set kv.store=redis`, `--port 9000`,
2. the environment: `DSKITY_KV__STORE=redis`,
3. the file `.env` in the working directory, with the same variables,
4. the settings file: the one named by `--config` or `DSKITY_CONFIG`, else `settings.yaml`,
   `settings.yml` or `settings.toml` in the working directory,
5. the default below.

Sections are merged key by key, lists are replaced. All errors are reported at once, each with its
key, file and line. An unknown key or variable is an error; only below `modules.<name>` other keys
are allowed.

In a settings file `${VAR}` and `${VAR:-default}` are replaced by variables of the environment or of
`.env`, anywhere in a value; `$VAR` only as a whole value. `$${` is a plain `${`.

A variable has `__` between keys. The short form with one underscore, such as
`DSKITY_KV_DEFAULT_TTL_SECONDS`, works if it is unambiguous, and is otherwise rejected with the
valid spellings. Lists are JSON or text with commas, sections are JSON, and an empty variable is
null if the setting allows null. Below `additional_settings` the short form is one key: nest with
`__`. In Kubernetes set `enableServiceLinks: false`: a Service called `dskity` would add
variables with the same prefix.

Sizes are bytes, or text such as `64MiB`.
"""


def render() -> str:
    """The page's text."""
    reserved = "\n".join(f"- `{name}`: {what}" for name, what in sorted(RESERVED.items()))
    last = f"## Variables that are not settings\n\n{reserved}\n"
    return "\n".join([_INTRODUCTION, *_sections(DSkitySettings, ()), last])


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """The model's own table, then those of the sections below it."""
    below = {name: _section_of(info.annotation) for name, info in model.model_fields.items()}
    told = descriptions(model)
    rows = [
        _row((*path, name), model.model_fields[name], told[name])
        for name, section in below.items()
        if section is None
    ]
    title = f"`{'.'.join(path)}`" if path else "Top level"
    summary = (model.__doc__ or "").partition("\n")[0]
    yield "\n".join([f"## {title}\n", f"{summary}\n", *_HEAD, *rows, ""])
    for name, section in below.items():
        if section is not None:
            named = section is not model.model_fields[name].annotation
            yield from _sections(section, (*path, name, *(["<name>"] if named else [])))


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if annotation is Modules:
        return ModuleSettings
    if get_origin(annotation) is dict:
        return _section_of(get_args(annotation)[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _row(path: tuple[str, ...], info: FieldInfo, description: str) -> str:
    cells = (
        f"`{path[-1]}`",
        kind(info.rebuild_annotation()),
        "required" if info.is_required() else f"`{_default(info)}`",
        f"`{env_name(path)}`",
        description.replace("\n", " ").replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ").replace(".0", "")
    return str(value) or '""'


_KINDS = {
    str: "text", int: "integer", float: "number", bool: "true, false", Path: "path",
    ByteSize: "size", SecretStr: "secret", Any: "anything",
}  # fmt: skip


def kind(annotation: Any) -> str:
    """The type of a key, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated and OneIsAList in arguments:
        item = kind(get_args(arguments[0])[0])
        return f"{item}, or list of {item}s"
    if origin is Annotated:
        name, null, _ = kind(arguments[0]).partition(", null")
        return name + _bounds(arguments[1:]) + null
    if origin in {Union, types.UnionType}:
        kinds = ("null" if part is type(None) else kind(part) for part in arguments)
        return ", ".join(kinds)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        item = arguments[0]
        of_models = isinstance(item, type) and issubclass(item, BaseModel)
        return f"list of {_keys(item) if of_models else kind(item)}"
    return _KINDS[annotation]


def _keys(model: type[BaseModel]) -> str:
    names = (info.alias or name for name, info in model.model_fields.items())
    return "{" + ", ".join(f"`{name}`" for name in names) + "}"


def _bounds(extras: tuple[Any, ...]) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    constraints = [item for extra in extras for item in getattr(extra, "metadata", [extra])]
    found = (
        f" {sign} {getattr(item, name)}"
        for item in constraints
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    )
    return ",".join(found)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    target.write_text(render(), encoding="utf-8")
