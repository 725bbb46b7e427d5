"""`ping` of what a module provides, in readiness."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dskity.bus.base.threads import ThreadPool
from dskity.bus.errors import StoreUnavailable
from dskity.modules import TransportClients
from dskity.modules.providers import ping as pings
from dskity.modules.providers.ping import PingCheck
from tests.modules.conftest import staged
from tests.providers.stage import Limiter, Offers


def offers(ping: Any, name: str | None = None) -> Offers:
    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter, ping=ping, name=name)

    return Offers("limits", offer)


async def well(_: Limiter) -> None:
    pass


def returns_a_coroutine(value: Limiter) -> Any:
    return well(value)


def fails(_: Limiter) -> None:
    raise ConnectionError("no route to host")


async def is_away(_: Limiter) -> None:
    raise StoreUnavailable("the server is away")


@pytest.mark.parametrize(
    ("ping", "expected"),
    [
        (well, None),
        (lambda _: "PONG", None),
        (lambda _: False, "its ping returned False"),
        (fails, "ConnectionError: no route to host"),
        (is_away, "the server is away"),
        (returns_a_coroutine, None),
    ],
)
async def test_a_value_is_well_unless_its_ping_raises_or_returns_false(
    ping: Callable[[Any], Any], expected: str | None
) -> None:
    """Plain or async."""
    check = PingCheck("limits", ping, Limiter(), ThreadPool("tests"))
    assert await check() == expected


async def test_a_ping_that_does_not_answer_is_bounded_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A coroutine is cancelled; a thread is left, and no second one is started beside it."""
    monkeypatch.setattr(pings, "PING_SECONDS", 0.05)
    cancelled: list[bool] = []
    release, begun = threading.Event(), []

    async def hangs(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    def blocks(_: Any) -> None:
        begun.append(True)
        release.wait(10)

    assert await PingCheck("a", hangs, None, ThreadPool("tests"))() == "no answer within 0.05 s"
    await asyncio.sleep(0)
    assert cancelled == [True]
    check = PingCheck("b", blocks, None, ThreadPool("tests"))
    try:
        assert await check() == await check() == "no answer within 0.05 s"
        assert begun == [True]
    finally:
        release.set()


async def test_probes_at_one_time_share_one_call() -> None:
    calls = 0

    async def counted(_: Any) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)

    check = PingCheck("a", counted, None, ThreadPool("tests"))
    assert await asyncio.gather(*(check() for _ in range(20))) == [None] * 20
    assert calls == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [(None, "limits.Limiter"), ("db", "db")],
)
async def test_a_check_has_the_name_of_module_and_type_unless_it_is_given_one(
    name: str | None, expected: str
) -> None:
    async with staged(builtins=(offers(well, name),)) as stage:
        await stage.supervisor.start()
        assert list(stage.clients.providers.registry.checks) == [expected]


@pytest.mark.parametrize("name", ["mqtt", "broker", "module:kv"])
async def test_a_name_of_the_runtime_s_own_checks_is_refused(name: str) -> None:
    async with staged(builtins=(offers(well, name),)) as stage:
        await stage.supervisor.start()
        reason = stage.supervisor.states()["limits"].reason
        assert f"provide(name={name!r}): readiness already has a check with this name" in reason


async def test_two_checks_of_one_name_are_an_error_that_names_both_modules() -> None:
    class Other:
        pass

    other = Offers("other", lambda c: c.provide(Other, Other, ping=lambda _: None, name="db"))
    async with staged(builtins=(offers(well, "db"), other)) as stage:
        await stage.supervisor.start()
        assert (
            "two modules define the readiness check 'db', module 'limits' and module 'other'"
            in stage.supervisor.states()["other"].reason
        )
