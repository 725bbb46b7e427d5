"""What a handler returns, checked against its annotation before it is sent.

Only routes that answer are checked, and only where they answer: a requester that reads `Diagnosis`
must not get something else because the handler returned the wrong dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from dskity.bus.errors import InvalidPayload

Returned: TypeAlias = Callable[[Any], Any]
"""From what was returned to what is sent; raises `InvalidPayload`."""
_ANYTHING = (Any, object, BaseModel)


def as_it_is(value: Any) -> Any:
    """No check."""
    return value


def checked(annotation: Any, name: str) -> Returned:
    """The check for the return annotation of the handler `name`.

    A dict becomes the model that is declared, with its defaults. What pydantic knows no schema for
    is not checked.
    """
    if annotation in _ANYTHING:
        return as_it_is
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return as_it_is

    def check(value: Any) -> Any:
        try:
            found = adapter.validate_python(value)
        except ValidationError as error:
            shown = getattr(annotation, "__name__", str(annotation))
            raise InvalidPayload(
                f"{name} is declared to return {shown}, and returned a {type(value).__name__}: "
                f"{_faults(error)}"
            ) from None  # it shows the values
        return value if isinstance(found, Iterator) else found  # which checks while it is read

    return check


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" if fault["loc"] else fault["msg"]
        for fault in faults
    )
