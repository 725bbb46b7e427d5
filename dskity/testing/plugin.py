"""The pytest plugin: fixtures for the tests of modules.

They import DSkity when a test asks for one, so that every other test session of the environment
stays as quick as it was. A project overrides a fixture by defining one of the same name.
"""

# ruff: noqa: PLC0415  # see above

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from dskity.bus.base.clock import VirtualClock
    from dskity.bus.bus import Bus
    from dskity.config import DSkitySettings
    from dskity.testing.broker import ScriptedBroker
    from dskity.testing.runtimes import Runtimes


def _async_fixture(function: Callable[..., Any]) -> Any:
    """A fixture of pytest-asyncio or, where that is not installed, one that says so."""
    try:
        from pytest_asyncio import fixture
    except ModuleNotFoundError:

        def missing() -> None:
            pytest.fail(
                f"the fixture {function.__name__!r} needs pytest-asyncio: install dskity[testing]",
                pytrace=False,
            )

        return pytest.fixture(name=function.__name__)(missing)
    return fixture(function)


@pytest.fixture
def dskity_settings(tmp_path_factory: pytest.TempPathFactory) -> DSkitySettings:
    """Settings without environment and files, with a fresh `state_dir`, HTTP and gRPC off."""
    from dskity.testing.settings import isolated_settings

    return isolated_settings(tmp_path_factory.mktemp("dskity"))


@pytest.fixture
def dskity_modules() -> Sequence[Any]:
    """The modules of `dskity_app`; none, until a project overrides it."""
    return ()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until `await clock.advance(seconds)`."""
    from dskity.bus.base.clock import VirtualClock

    return VirtualClock()


@pytest.fixture
def dskity_broker(clock: VirtualClock) -> ScriptedBroker:
    """The broker in memory that `bus` and the runtimes are connected to."""
    from dskity.testing.broker import ScriptedBroker

    return ScriptedBroker(clock=clock)


@_async_fixture
async def bus(dskity_broker: ScriptedBroker, clock: VirtualClock) -> AsyncIterator[Bus]:
    """A bus with handlers and no runtime: the object under test, or a device beside a runtime."""
    from dskity.testing.memory import memory_bus

    async with memory_bus(dskity_broker.transport("bus"), clock=clock) as bus:
        yield bus


@_async_fixture
async def dskity_runtime(
    dskity_settings: DSkitySettings, dskity_broker: ScriptedBroker
) -> AsyncIterator[Runtimes]:
    """Makes running runtimes, and closes them after the test.

    As in `runtime = await dskity_runtime(MyModule())`; see `Runtimes`.
    """
    from dskity.testing.runtimes import Runtimes

    runtimes = Runtimes(dskity_settings, dskity_broker)
    yield runtimes
    await runtimes.close()


@_async_fixture
async def dskity_app(dskity_runtime: Runtimes, dskity_modules: Sequence[Any]) -> Any:
    """The FastAPI app of a running runtime with `dskity_modules`."""
    runtime = await dskity_runtime(*dskity_modules)
    return runtime.app


@_async_fixture
async def dskity_client(dskity_app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of `dskity_app`, calling from this machine."""
    from dskity.testing.runtimes import http_client

    async with http_client(dskity_app) as client:
        yield client
