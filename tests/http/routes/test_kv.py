from __future__ import annotations

import pytest

from tests.http.conftest import Door


async def test_a_value_is_stored_read_listed_and_deleted(door: Door) -> None:
    """Bodies as in the seed, with versions and the seconds left."""
    put = await door.client.put("/kv/rooms/1/target", json={"value": 21.5, "ttl_seconds": 60})
    assert put.status_code == 200
    assert put.json() == {"key": "rooms/1/target", "stored": True, "version": 1}

    got = (await door.client.get("/kv/rooms/1/target")).json()
    assert 59 < got.pop("expires_in") <= 60
    assert got == {"key": "rooms/1/target", "value": 21.5, "version": 1}

    listed = await door.client.get("/kv?prefix=rooms/")
    assert listed.json() == {"keys": ["rooms/1/target"]}

    deleted = await door.client.delete("/kv/rooms/1/target")
    assert deleted.json() == {"key": "rooms/1/target", "deleted": True}
    again = await door.client.delete("/kv/rooms/1/target")
    assert again.json() == {"key": "rooms/1/target", "deleted": False}


async def test_a_missing_key_is_a_404_problem_and_null_is_a_value(door: Door) -> None:
    """The two are told apart."""
    missing = await door.client.get("/kv/nothing")
    assert missing.status_code == 404
    assert missing.json()["detail"] == "no key 'nothing'"
    await door.client.put("/kv/nothing", json={"value": None, "ttl_seconds": 0})
    found = await door.client.get("/kv/nothing")
    assert found.json() == {"key": "nothing", "value": None, "version": 1, "expires_in": None}


async def test_a_body_may_repeat_its_key_and_needs_no_content_type(door: Door) -> None:
    """What `curl -d` sends is JSON by any name."""
    put = await door.client.put("/kv/a", content=b'{"key": "a", "value": 1}')
    assert put.json()["stored"] is True
    other = await door.client.put("/kv/a", content=b'{"key": "b", "value": 1}')
    assert other.status_code == 400


async def test_compare_and_set_by_version(door: Door) -> None:
    """409 where the version is another; 0 means that the key must not exist."""
    first = await door.client.put("/kv/a", json={"value": 1, "if_version": 0})
    assert first.json()["version"] == 1
    assert (await door.client.put("/kv/a", json={"value": 2, "if_version": 0})).status_code == 409
    assert (await door.client.put("/kv/a", json={"value": 2, "if_version": 1})).status_code == 200
    assert (await door.client.delete("/kv/a?if_version=1")).status_code == 409
    assert (await door.client.delete("/kv/a?if_version=2")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"{}", 422),
        (b'{"value": 1, "ttl": 5}', 422),
        (b'{"value": 1, "ttl_seconds": "soon"}', 422),
        (b'{"value": 1, "ttl_seconds": -1}', 400),
        (b'{"value": NaN}', 400),
        (b"\xff", 422),
    ],
)
async def test_bad_bodies_are_refused(door: Door, body: bytes, status: int) -> None:
    """Each with a problem that says why."""
    response = await door.client.put("/kv/a", content=body)
    assert response.status_code == status
    assert response.json()["detail"]
