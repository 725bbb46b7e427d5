"""A store that a module provides: its faults name it, are shown by readiness, and end there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import Conflict, StoreUnavailable
from dskity.modules.kv.memory_store import MemoryStore
from dskity.modules.kv.provided_store import ANSWER_SECONDS, SHOWN_SECONDS, ProvidedStore

CALLS: dict[str, tuple[Any, ...]] = {
    "get": ("a", None),
    "entry": ("a",),
    "put": ("a", 1, None, None),
    "delete": ("a", None),
    "keys": ("",),
}
RAISED = {
    "ValueError": ValueError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
    "group": lambda: BaseExceptionGroup("several", [SystemExit()]),
}
every_call = pytest.mark.parametrize("method", CALLS)


def with_fault(method: str, fault: Callable[..., Any]) -> tuple[ProvidedStore, VirtualClock]:
    """A store one method of which is this."""
    clock = VirtualClock()
    store = MemoryStore(clock)
    setattr(store, method, fault)
    return ProvidedStore(store, "etcd", clock), clock


async def ask(store: ProvidedStore, method: str) -> Any:
    return await getattr(store, method)(*CALLS[method])


@every_call
@pytest.mark.parametrize("make", RAISED.values(), ids=RAISED)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
async def test_whatever_it_raises_is_that_it_cannot_be_used(
    method: str, make: Callable[[], BaseException], is_async: bool
) -> None:
    def plain(*_: Any) -> Any:
        raise make()

    async def coroutine(*_: Any) -> Any:
        raise make()

    store, _ = with_fault(method, coroutine if is_async else plain)
    said = f"kv.store 'etcd': {method} raised {type(make()).__name__}"
    with pytest.raises(StoreUnavailable, match=said):
        await ask(store, method)
    assert said in store.trouble


@pytest.mark.parametrize("method", ["entry", "put", "delete", "keys"])
async def test_something_else_than_its_result_is_refused(method: str) -> None:
    async def lies(*_: Any) -> Any:
        return "a lie"

    store, _ = with_fault(method, lies)
    with pytest.raises(StoreUnavailable, match=f"'etcd': {method} returned 'a lie'"):
        await ask(store, method)


@every_call
async def test_a_call_without_an_end_ends(method: str, caplog: pytest.LogCaptureFixture) -> None:
    async def hangs(*_: Any) -> Any:
        await asyncio.Event().wait()

    store, clock = with_fault(method, hangs)
    asked = asyncio.create_task(ask(store, method))
    await clock.advance(ANSWER_SECONDS + 0.1)
    said = f"kv.store 'etcd': {method}: no answer within {ANSWER_SECONDS:g} s"
    with pytest.raises(StoreUnavailable, match=said):
        await asyncio.wait_for(asked, 5)
    assert said in caplog.text


async def test_a_fault_is_shown_until_a_call_succeeds_or_time_passes() -> None:
    """A runtime that gets no calls while it is not ready has to become ready again."""

    async def fails(*_: Any) -> Any:
        raise ValueError

    store, clock = with_fault("get", fails)
    for recover in (lambda: ask(store, "keys"), lambda: clock.advance(SHOWN_SECONDS + 1)):
        with pytest.raises(StoreUnavailable):
            await ask(store, "get")
        assert store.trouble
        await recover()
        assert not store.trouble


async def test_what_the_store_says_itself_goes_on() -> None:
    store, _ = with_fault("nothing", lambda: None)
    with pytest.raises(Conflict):
        await store.put("a", 1, None, 7)
    assert not store.trouble


async def test_a_trouble_that_raises_is_one() -> None:
    class Hostile(MemoryStore):
        @property
        def trouble(self) -> str:
            raise SystemExit

    clock = VirtualClock()
    assert "SystemExit" in ProvidedStore(Hostile(clock), "etcd", clock).trouble
