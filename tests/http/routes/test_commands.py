from __future__ import annotations

import json

import pytest

from dskity.bus.message import Message
from dskity.modules.commands.service import CommandService
from dskity.modules.contract import Execution
from tests.http.conftest import Door, lines_of


async def answer(door: Door, state: str = "succeeded") -> None:
    """A device `vent` that carries out `open` at once."""

    async def carry_out(message: Message) -> dict[str, object]:
        asked = message.json()
        return {"id": asked["id"], "state": state, "result": {"opened": True}}

    await door.house.bus.subscribe("devices/vent/commands/open", carry_out)


async def test_a_command_that_ends_in_time_is_answered_with_its_end(door: Door) -> None:
    """200 and the execution."""
    await answer(door)
    response = await door.client.post("/commands/vent/open?wait=5", json={"percent": 40})
    assert response.status_code == 200
    execution = response.json()
    assert execution["state"] == "succeeded"
    assert execution["payload"] == {"percent": 40}
    assert execution["result"] == {"opened": True}


async def test_a_command_under_way_is_accepted_and_can_be_followed(door: Door) -> None:
    """202 with a Location, where it can be read and cancelled."""
    await door.received("devices/vent/commands/open")
    response = await door.client.post("/commands/vent/open?ttl=60")
    assert response.status_code == 202
    where = response.headers["location"]
    assert where == f"/commands/{response.json()['id']}"

    found = (await door.client.get(where)).json()
    assert found["state"] in {"accepted", "sent"}
    assert found["payload"] is None
    listed = await door.client.get("/commands?target=vent")
    assert [execution["id"] for execution in listed.json()["executions"]] == [found["id"]]
    assert (await door.client.get("/commands?target=other")).json() == {"executions": []}

    assert (await door.client.delete(where)).json()["state"] == "cancelled"
    assert (await door.client.delete(where)).status_code == 409


async def test_an_idempotency_key_returns_the_first_execution(door: Door) -> None:
    """A caller may try again without commanding twice."""
    await door.received("devices/vent/commands/open")
    headers = {"idempotency-key": "k1"}
    first = await door.client.post("/commands/vent/open", headers=headers)
    second = await door.client.post("/commands/vent/open", headers=headers)
    assert first.json()["id"] == second.json()["id"]


async def test_a_responder_can_be_required(door: Door) -> None:
    """404 where the broker says that nobody listens; without the wish it is accepted."""
    refused = await door.client.post("/commands/vent/open?require=responder")
    assert refused.status_code == 404
    assert (await door.client.post("/commands/vent/open")).status_code == 202
    assert (await door.client.post("/commands/vent/open?require=luck")).status_code == 422


async def test_changes_of_an_execution_come_as_events(door: Door) -> None:
    """Named by the state, until it has ended."""
    await door.received("devices/vent/commands/open")
    where = (await door.client.post("/commands/vent/open")).headers["location"]
    async with door.client.stream("GET", f"{where}/events") as response:
        first = await lines_of(response, 2)
        assert json.loads(first[1].removeprefix("data: "))["target"] == "vent"
    await door.client.delete(where)
    ended = await door.client.get(f"{where}/events")
    assert ended.text.startswith("event: cancelled\ndata: ")


async def test_unknown_executions_are_404(door: Door) -> None:
    """Also as a stream of events."""
    for path in ("/commands/nothing", "/commands/nothing/events"):
        assert (await door.client.get(path)).status_code == 404
    assert (await door.client.delete("/commands/nothing")).status_code == 404


@pytest.mark.parametrize("query", ["wait=-1", "wait=301", "ttl=0", "ttl=x"])
async def test_bad_times_are_refused(door: Door, query: str) -> None:
    """422, naming the parameter."""
    response = await door.client.post(f"/commands/vent/open?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.json()["detail"]


async def test_a_payload_that_is_not_json_is_refused(door: Door) -> None:
    """Commands carry JSON."""
    response = await door.client.post("/commands/vent/open", content=b"{")
    assert response.status_code == 422


@pytest.mark.parametrize(
    "result", [b'{"id": "ID", "result": 1e999}', b'{"id": "ID", "result": "\\ud800"}']
)
async def test_no_reply_of_a_device_makes_a_500(door: Door, result: bytes) -> None:
    """What JSON cannot carry is a 502 problem or is not taken as a reply; the list shows the
    others all the same."""

    async def carry_out(message: Message) -> None:
        asked = message.json()["id"].encode()
        await door.house.bus.publish(
            "devices/vent/commands/open/reply", result.replace(b"ID", asked)
        )

    await door.house.bus.subscribe("devices/vent/commands/open", carry_out)
    response = await door.client.post("/commands/vent/open?wait=0.2")
    assert response.status_code in {200, 202, 502}
    listed = await door.client.get("/commands")
    assert listed.status_code == 200
    assert len(listed.json()["executions"]) == 1


async def test_a_result_that_is_no_json_is_a_502(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whatever way it got there; in the list it stands without what its device said."""
    odd = Execution("e1", "vent", "open", "succeeded", result=float("nan"))

    async def get(*_: object) -> Execution:
        return odd

    async def listed(*_: object) -> list[Execution]:
        return [odd]

    monkeypatch.setattr(CommandService, "get", get)
    monkeypatch.setattr(CommandService, "list", listed)
    response = await door.client.get("/commands/e1")
    assert response.status_code == 502
    assert "'vent' answered" in response.json()["detail"]
    (shown,) = (await door.client.get("/commands")).json()["executions"]
    assert (shown["result"], shown["error"]["status"]) == (None, 502)
