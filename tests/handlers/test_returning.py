"""What a handler returns is what its annotation says, or the requester gets an error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from dskity.bus.errors import Forbidden, NotFound, RemoteError
from dskity.handlers.returning import as_it_is, checked
from tests.house_bus import memory_house
from tests.waiting import until


class Diagnosis(BaseModel):
    healthy: bool
    note: str = "none"


class Other(BaseModel):
    colour: str


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        ({"healthy": "perhaps"}, "healthy: Input should be a valid boolean"),
        ({"colour": "red"}, "healthy: Field required"),
        (Other(colour="red"), "Input should be a valid dictionary or instance of Diagnosis"),
        (None, "Input should be a valid dictionary or instance of Diagnosis"),
    ],
    ids=["wrong value", "wrong keys", "another model", "nothing"],
)
async def test_a_wrong_result_is_an_error_to_the_requester_and_in_the_log(
    returned: Any, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Status 500, and one line that says what was declared and what is wrong."""
    async with memory_house() as house:

        async def diagnose() -> Diagnosis:
            return returned  # type: ignore[no-any-return]  # that is the mistake

        await house.bus.subscribe("diagnose", diagnose)
        with pytest.raises(RemoteError, match="is declared to return Diagnosis") as caught:
            await house.bus.request("diagnose")
        assert caught.value.status == 500
        assert fault in str(caught.value)
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert fault in record.getMessage()


async def test_a_dict_of_the_right_shape_is_sent_as_the_model() -> None:
    """With the defaults of its fields; a plain function is checked too."""
    async with memory_house() as house:

        def diagnose() -> Diagnosis:
            return {"healthy": True}  # type: ignore[return-value]  # as it is often written

        await house.bus.subscribe("diagnose", diagnose)
        reply = await house.bus.request("diagnose")
        assert reply.json() == {"healthy": True, "note": "none"}


async def test_a_route_that_is_not_asked_is_not_checked(caplog: pytest.LogCaptureFixture) -> None:
    """What it returns goes nowhere."""
    async with memory_house() as house:

        async def diagnose() -> Diagnosis:
            return None  # type: ignore[return-value]  # that is the mistake

        await house.bus.subscribe("diagnose", diagnose)
        (route,) = house.dispatcher.routes
        await house.bus.publish("diagnose")
        await until(lambda: route.stats.handled == 1, "it is handled")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Diagnosis, Diagnosis(healthy=True)),
        (Diagnosis | None, None),
        (dict[str, int], {"a": 1}),
        (bytes, b"\xff"),
        (str, "text"),
        (Point, Point(1)),
        (list[Diagnosis], [Diagnosis(healthy=True)]),
        (BaseModel, {"a": 1}),
        (Any, object),
        (logging.Logger, 1),
    ],
    ids=str,
)
def test_what_fits_is_sent_as_it_is(annotation: Any, value: Any) -> None:
    """So is what nothing can be said about."""
    assert checked(annotation, "f")(value) == value


def test_an_iterator_is_not_read_by_the_check() -> None:
    """It can be read once only."""
    numbers = iter([1, 2])
    assert checked(Iterator[int], "f")(numbers) is numbers


def test_the_values_are_not_in_the_error() -> None:
    """They may be secrets."""
    with pytest.raises(ValueError, match="healthy") as caught:
        checked(Diagnosis, "f")({"healthy": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert as_it_is("s3cret") == "s3cret"


@pytest.mark.parametrize("error", [NotFound("no such door"), Forbidden("not yours")], ids=str)
async def test_an_error_that_answers_a_request_is_one_line_at_info(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It was told to the requester; it is no fault of the handler."""
    caplog.set_level(logging.INFO)
    async with memory_house() as house:

        async def door() -> str:
            raise error

        await house.bus.subscribe("door", door)
        with pytest.raises(RemoteError, match=str(error)):
            await house.bus.request("door")
    (record,) = [r for r in caplog.records if r.name == "dskity.handlers"]
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert record.getMessage().endswith(f"on door with {type(error).__name__}: {error}")


async def test_an_error_that_is_none_of_ours_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where a requester waits: the answer does not have it."""
    async with memory_house() as house:

        async def door() -> str:
            raise KeyError("hinge")

        await house.bus.subscribe("door", door)
        with pytest.raises(RemoteError):
            await house.bus.request("door")
    (record,) = [r for r in caplog.records if r.name == "dskity.handlers"]
    assert record.levelname == "WARNING"
    assert record.exc_info is not None


async def test_a_flood_of_bad_messages_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Twenty lines a minute of each handler; all are counted and are dead letters."""

    async def read(reading: dict[str, int]) -> None:
        raise AssertionError("no payload is valid")

    async with memory_house() as house:
        await house.bus.subscribe("readings", read)
        for _ in range(100):
            await house.bus.publish("readings", b"{")
        (route,) = house.dispatcher.routes
        await until(lambda: route.stats.dead_lettered == 100, "the dead letters")
    assert sum("gave up" in record.getMessage() for record in caplog.records) == 20
