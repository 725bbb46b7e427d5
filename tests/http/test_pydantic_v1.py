"""Models of `pydantic.v1`, which FastAPI refuses, are refused also where it does not look for them
until somebody has imported that package."""

from __future__ import annotations

import warnings

import pytest
from fastapi.exceptions import PydanticV1NotSupportedError

from dskity.modules.access.security import Guard
from dskity.modules.http import create_app


def test_a_route_that_names_one_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydantic import v1  # noqa: PLC0415  # on Python 3.14 it warns

    class Old(v1.BaseModel):
        pass

    app = create_app("t", Guard(loopback_open=True))
    with pytest.raises(PydanticV1NotSupportedError, match="no longer supported"):
        app.get("/old", response_model=Old)(Old)
