"""docs/reference/errors.md, from the table in `dskity.bus.problem`."""

from __future__ import annotations

import inspect

from dskity.bus.problem import STATUS
from scripts.reference.markdown import code, page, table

INTRODUCTION = """
Over HTTP and over MQTT an error is an RFC 9457 problem object (`application/problem+json`). A reply
over MQTT carries the HTTP status in its header `dskity-status`; gRPC has its own codes. An error
that is not listed has the row of its nearest listed base class. In Python import the errors from
`dskity`.
"""


def render() -> str:
    """The whole page."""
    rows = (
        [code(error.__name__), str(status.http), code(status.grpc), _summary(error)]
        for error, status in STATUS.items()
    )
    return page("Errors", INTRODUCTION, table(["error", "HTTP", "gRPC", "means"], rows))


def _summary(error: type[BaseException]) -> str:
    return inspect.cleandoc(error.__doc__ or "").split("\n\n")[0]
