"""The text below each key of a section, read off the source where a page or a person wants it.

pydantic's `use_attribute_docstrings` does this for every model as it is defined: 50 ms of a start.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel


@cache
def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """The description of each key, those that the model inherits among them."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if "__annotations__" in vars(owner) and owner.__module__.startswith("dskity."):
            found |= _below_annotations(owner)
    return found


def _below_annotations(owner: type) -> Iterator[tuple[str, str]]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101  # it is the source of a class
    for key, text in pairwise(body.body):
        match key, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(description))),
            ):
                yield name, inspect.cleandoc(description)
