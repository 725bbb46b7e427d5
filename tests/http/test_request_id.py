from __future__ import annotations

import pytest

from dskity.modules.http import request_id
from tests.http.conftest import Door


async def test_a_sane_id_is_taken(door: Door) -> None:
    """And comes back."""
    response = await door.client.get("/", headers={"X-Request-Id": "a1-B2.c3:d/e+f="})
    assert response.headers["x-request-id"] == "a1-B2.c3:d/e+f="


@pytest.mark.parametrize("given", ["", "a b", "-a", "a" * 129, 'a"b', "ä"])
async def test_an_id_that_could_harm_a_log_is_replaced(door: Door, given: str) -> None:
    """Too long, or of characters that mean something elsewhere."""
    response = await door.client.get("/", headers={b"X-Request-Id": given.encode("latin-1")})
    made = response.headers["x-request-id"]
    assert len(made) == 32
    assert made != given


async def test_every_call_without_one_gets_its_own(door: Door) -> None:
    """Also those that fail."""
    ids = {(await door.client.get(path)).headers["x-request-id"] for path in ("/", "/", "/no")}
    assert len(ids) == 3


async def test_the_id_is_at_hand_while_a_call_is_served(door: Door) -> None:
    """For the log, in user modules too; and only then."""
    seen = []

    @door.app.get("/mine")
    async def mine() -> None:
        seen.append(request_id.current.get())

    await door.client.get("/mine", headers={"X-Request-Id": "r-1"})
    assert seen == ["r-1"]
    assert request_id.current.get() is None
