"""The tree of keys, read off the models: for environment names, nearest keys and the reference."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from dskity.config.sections.modules import Modules, ModuleSettings

ENV_PREFIX = "DSKITY_"


@dataclass(frozen=True, slots=True)
class Node:
    """One key, or one place where keys can be.

    `fields` are the keys declared below it. `each` is what every other key below it is (as under
    `webhooks`); `free` says that any other key may hold anything. `items` is the element of a list.
    """

    annotation: Any
    fields: Mapping[str, Node] = field(default_factory=dict)
    each: Node | None = None
    free: bool = False
    items: Node | None = None
    nullable: bool = False

    @property
    def is_section(self) -> bool:
        """Whether keys can be below it."""
        return bool(self.fields) or self.each is not None or self.free

    def child(self, key: str | int) -> Node | None:
        """The node of a key below, or of an element; None where there can be none."""
        if isinstance(key, int):
            return self.items
        found = self.fields.get(key) or self.each
        return ANYTHING if found is None and self.free else found


ANYTHING = Node(Any, free=True)


@cache
def tree(model: type[BaseModel]) -> Node:
    """The tree of a model's keys."""
    fields = {
        info.alias or name: _node(info.rebuild_annotation())
        for name, info in model.model_fields.items()
    }
    return Node(model, fields, free=model.model_config.get("extra") == "allow")


def _node(annotation: Any) -> Node:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _node(arguments[0])
    if origin in {Union, types.UnionType}:  # every union here is `X | None`
        return replace(_node(arguments[0]), annotation=annotation, nullable=True)
    if annotation is Any:
        return ANYTHING
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return tree(annotation)
    named = arguments[1] if origin is dict else ModuleSettings if annotation is Modules else None
    items = _node(arguments[0]) if origin is tuple else None
    return Node(annotation, each=None if named is None else _node(named), items=items)


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every declared key that holds a value; `<name>` stands for a key of the user's choice."""
    for key, below in node.fields.items():
        if below.is_section and below is not ANYTHING:
            yield from leaves(below, (*path, key))
        else:
            yield (*path, key), below
    if node.each is not None:
        yield from leaves(node.each, (*path, "<name>"))


def node_at(root: Node, path: tuple[str, ...]) -> Node:
    """The node of a key path; a key that does not exist may hold anything, until it is refused."""
    node = root
    for key in path:
        node = node.child(key) or ANYTHING
    return node


def env_name(path: tuple[str, ...]) -> str:
    """The environment variable of a key path, in the unambiguous form."""
    return ENV_PREFIX + "__".join(key.upper().replace("-", "_") for key in path)
