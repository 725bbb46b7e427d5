"""Factories, `close` and pings that raise anything, come too late, or are asked from threads."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dskity.bus.base.threads import ThreadPool
from dskity.modules import TransportClients
from dskity.modules.lifecycle import hooks
from dskity.modules.providers import ping as pings
from dskity.modules.providers.ping import PingCheck
from dskity.modules.providers.provision import Provision
from dskity.modules.providers.registry import ProviderRegistry
from tests.modules.conftest import Stage, staged
from tests.providers.stage import Limiter, Offers
from tests.waiting import until

RAISED = {
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "cancelled": asyncio.CancelledError,
    "group": lambda: BaseExceptionGroup("several", [SystemExit(), KeyboardInterrupt()]),
}
any_exception = pytest.mark.parametrize("make", RAISED.values(), ids=RAISED)
plain_or_async = pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])


def raising(make: Callable[[], BaseException], *, is_async: bool) -> Callable[..., Any]:
    """A function that raises it."""

    def plain(*_: Any) -> Any:
        raise make()

    async def coroutine(*_: Any) -> Any:
        raise make()

    return coroutine if is_async else plain


def state(stage: Stage, name: str) -> str:
    return stage.supervisor.states()[name].state


@any_exception
@plain_or_async
async def test_whatever_a_factory_raises_fails_its_module_alone(
    make: Callable[[], BaseException], is_async: bool
) -> None:
    factory = raising(make, is_async=is_async)
    offers = Offers("limits", lambda clients: clients.provide(Limiter, factory))
    async with staged(builtins=(offers, Offers("alone", lambda _: None))) as stage:
        await stage.supervisor.start()
        assert (state(stage, "limits"), state(stage, "alone")) == ("failed", "started")


@any_exception
@plain_or_async
async def test_whatever_a_close_raises_leaves_the_others_closed(
    make: Callable[[], BaseException], is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[Limiter] = []

    class Other(Limiter):
        pass

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter, close=closed.append)
        clients.provide(Other, Other, close=raising(make, is_async=is_async))

    async with staged(builtins=(Offers("limits", offer),)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
    assert len(closed) == 1
    assert "module limits: close of Other failed" in caplog.text


@any_exception
@plain_or_async
async def test_whatever_a_ping_raises_is_a_reason(
    make: Callable[[], BaseException], is_async: bool
) -> None:
    check = PingCheck("limits", raising(make, is_async=is_async), None, ThreadPool("tests"))
    assert await asyncio.wait_for(check(), 10)


async def test_a_ping_that_returns_a_coroutine_without_an_end_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ping=lambda pool: pool.check()`: one call that hangs must not be the answer for ever."""
    monkeypatch.setattr(pings, "PING_SECONDS", 0.05)
    calls: list[asyncio.Task[Any] | None] = []

    async def check_it() -> None:
        calls.append(asyncio.current_task())
        if len(calls) == 1:
            await asyncio.Event().wait()

    check = PingCheck("a", lambda _: check_it(), None, ThreadPool("tests"))
    assert await check() == "no answer within 0.05 s"
    await until(lambda: calls[0] is not None and calls[0].done(), "the end of the first call")
    monkeypatch.setattr(pings, "PING_SECONDS", 10)
    assert await check() is None


@pytest.mark.parametrize("fails", [False, True], ids=["closes", "close fails"])
async def test_a_value_that_is_made_too_late_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    """Its module has failed by then, so that no other code would close it."""
    monkeypatch.setattr(hooks, "CLEANUP_SECONDS", 0.01)
    go_on, closed = asyncio.Event(), []

    async def late() -> Limiter:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        return Limiter()

    async def close(value: Limiter) -> None:
        closed.append(value)
        if fails:
            raise ConnectionError("no route to host")

    offers = Offers("limits", lambda clients: clients.provide(Limiter, late, close=close))
    async with staged(builtins=(offers,)) as stage:
        await stage.supervisor.start()
        assert state(stage, "limits") == "failed"
        go_on.set()
        await until(lambda: closed, "its close")
        assert stage.clients.find(Limiter) is None
    assert "module limits: Limiter was made too late and is closed" in caplog.text
    assert ("module limits: close of Limiter failed" in caplog.text) == fails


@pytest.mark.parametrize("fails", [False, True], ids=["disabled", "failed"])
async def test_what_a_close_subscribes_goes_with_its_module(fails: bool) -> None:
    """Else its handler would get messages of a module that does not run."""
    taken: list[TransportClients] = []

    async def close(_: Limiter) -> None:
        async def handler(payload: bytes) -> None: ...

        await taken[0].bus.subscribe("late/+", handler)

    class Other(Limiter):
        pass

    def fail() -> Other:
        raise ValueError

    def offer(clients: TransportClients) -> None:
        taken.append(clients)
        clients.provide(Limiter, Limiter, close=close)
        if fails:
            clients.provide(Other, fail)

    async with staged(builtins=(Offers("limits", offer),)) as stage:
        await stage.supervisor.start()
        if not fails:
            await stage.supervisor.disable("limits")
        assert state(stage, "limits") == ("failed" if fails else "disabled")
        assert "late/+" not in [entry.filter for entry in stage.house.bus.subscriptions]


async def test_what_a_lambda_makes_by_a_coroutine_is_said_to_come_later() -> None:
    """Not that its factory asks for itself."""

    async def open_it() -> Limiter:
        return Limiter()

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, lambda: open_it())  # noqa: PLW0108  # as people write it
        clients.get(Limiter)

    async with staged(builtins=(Offers("limits", offer),)) as stage:
        await stage.supervisor.start()
        reason = stage.supervisor.states()["limits"].reason
    assert "Limiter of limits is made by a coroutine after `register`" in reason


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns as often as the interpreter allows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
async def test_plain_handlers_ask_from_threads_while_modules_come_and_go() -> None:
    registry = ProviderRegistry(ThreadPool("tests"))
    over, faults = threading.Event(), []

    def asks(first: int) -> None:
        number = first
        try:
            while not over.is_set():
                number += 2
                registry.find(Limiter, f"user {number % 5000}")
        except BaseException as error:  # noqa: BLE001  # what the test is about
            faults.append(error)

    threads = [threading.Thread(target=asks, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            provision = Provision(Limiter, "limits", Limiter)
            registry.add(provision)
            for _ in range(10):
                registry.users_of("limits")
            registry.forget_user("user 1")
            registry.remove(provision)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not faults
