"""`clients.provide`: a type of one module in handlers and modules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dskity.bus.bus import Bus
from dskity.bus.errors import Conflict, Unavailable
from dskity.modules import Module, ModuleMeta, TransportClients, on
from tests.modules.conftest import Folder, Stage, folder, staged
from tests.providers.stage import Limiter, Offers, Uses, limiter
from tests.waiting import until

__all__ = ["folder"]


def reason(stage: Stage, name: str) -> str:
    """Why a module has failed."""
    return stage.supervisor.states()[name].reason


def states(stage: Stage) -> dict[str, str]:
    return {name: status.state for name, status in stage.supervisor.states().items()}


async def test_a_handler_of_a_later_module_gets_the_value_by_its_type() -> None:
    """It depends on the module that provides it; the same value comes with every message."""
    made, uses = Limiter(), Uses("limits")
    async with staged(builtins=(uses, Offers("limits", limiter(made)))) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("things/a", {"x": 1})
        await stage.house.bus.publish("things/b", {"x": 1})
        await until(lambda: made.calls == 2, "both are handled")
        assert uses.got == [made, made]


async def test_a_handler_of_the_module_itself_gets_it() -> None:
    made = Limiter()

    class Both(Uses):
        def register(self, clients: TransportClients, config: Any) -> None:
            clients.provide(Limiter, lambda: made)

    both = Both()
    async with staged(builtins=(both,)) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("things/a", {})
        await until(lambda: both.got == [made], "it is handled")


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_factory_is_called_once_before_the_module_s_on_startup(is_async: bool) -> None:
    """Plain or async; `get` returns the value there and in later modules."""
    log: list[str] = []

    def plain() -> Limiter:
        log.append("made")
        return Limiter()

    async def coroutine() -> Limiter:
        await asyncio.sleep(0)
        return plain()

    class Limits(Module):
        meta = ModuleMeta("limits")

        def register(self, clients: TransportClients, config: Any) -> None:
            clients.provide(Limiter, coroutine if is_async else plain)
            log.append("registered")

        async def on_startup(self, clients: TransportClients) -> None:
            log.append(f"up {clients.get(Limiter).calls}")

    async with staged(builtins=(Limits(),)) as stage:
        await stage.supervisor.start()
        assert log == ["registered", "made", "up 0"]
        assert stage.clients.get(Limiter) is stage.clients.get(Limiter)
        assert log.count("made") == 1


async def test_register_may_ask_for_what_a_plain_factory_makes() -> None:
    """It is made then; what a coroutine makes is refused with the reason."""
    seen: list[Any] = []

    async def coroutine() -> Bus:
        raise AssertionError

    class Later:
        pass

    async def later() -> Later:
        return Later()

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter)
        clients.provide(Later, later)
        seen.append(clients.get(Limiter))
        with pytest.raises(Unavailable, match="ask for it in `on_startup` or later"):
            clients.get(Later)

    async with staged(builtins=(Offers("limits", offer),)) as stage:
        await stage.supervisor.start()
        assert states(stage) == {"limits": "started"}
        assert stage.clients.get(Limiter) is seen[0]
        assert isinstance(stage.clients.find(Later), Later)


async def test_values_are_closed_in_reverse_order_after_on_shutdown() -> None:
    """Plain and async; those that use them have stopped before."""
    log: list[str] = []

    class Other(Limiter):
        pass

    async def close(value: Limiter) -> None:
        log.append(f"close {type(value).__name__}")

    class Limits(Module):
        meta = ModuleMeta("limits")

        def register(self, clients: TransportClients, config: Any) -> None:
            clients.provide(Limiter, Limiter, close=close)
            clients.provide(Other, Other, close=lambda _: log.append("close Other"))

        async def on_shutdown(self, clients: TransportClients) -> None:
            log.append(f"down {clients.get(Limiter).calls}")

    class Later(Uses):
        async def on_shutdown(self, clients: TransportClients) -> None:
            log.append("user down")

    async with staged(builtins=(Limits(), Later("limits"))) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
        assert log == ["user down", "down 0", "close Other", "close Limiter"]
        assert stage.clients.find(Limiter) is None


async def test_a_close_that_fails_or_never_ends_leaves_the_others_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each is named in the log."""
    log: list[str] = []

    class Stuck:
        pass

    class Broken:
        pass

    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    def fails(_: Any) -> None:
        raise ValueError("no")

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter, close=lambda _: log.append("closed"))
        clients.provide(Stuck, Stuck, close=never)
        clients.provide(Broken, Broken, close=fails)

    async with staged(builtins=(Offers("limits", offer),)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
    assert log == ["closed"]
    assert "module limits: close of Broken failed" in caplog.text
    assert "close of Stuck did not return within" in caplog.text


async def test_a_factory_that_fails_is_the_failure_of_its_module_alone() -> None:
    """What it had made before is closed; a module that depends on it is told so, others start."""
    closed: list[Limiter] = []

    class Other:
        pass

    def fails() -> Other:
        raise ConnectionError("no route to host")

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter, close=closed.append)
        clients.provide(Other, fails)

    others = (Offers("limits", offer), Uses("limits"), Offers("alone", lambda _: None))
    async with staged(builtins=others) as stage:
        await stage.supervisor.start()
        assert states(stage) == {"limits": "failed", "uses": "failed", "alone": "started"}
        assert "no route to host" in reason(stage, "limits")
        assert reason(stage, "uses") == "its dependency 'limits' is failed"
        assert len(closed) == 1
        assert stage.clients.find(Limiter) is None


async def test_a_factory_without_an_end_is_bounded_in_time() -> None:
    async def never() -> Limiter:
        await asyncio.Event().wait()
        raise AssertionError

    offers = Offers("limits", lambda clients: clients.provide(Limiter, never))
    async with staged(builtins=(offers,)) as stage:
        await stage.supervisor.start()
        assert "the factory of Limiter did not return within 0.2 s" in reason(stage, "limits")


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (lambda: None, "the factory of Limiter returned None: return the value"),
        (dict, "the factory of Limiter returned a dict: return a Limiter"),
    ],
)
async def test_a_factory_of_something_else_is_refused(factory: Any, expected: str) -> None:
    offers = Offers("limits", lambda clients: clients.provide(Limiter, factory))
    async with staged(builtins=(offers,)) as stage:
        await stage.supervisor.start()
        assert expected in reason(stage, "limits")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((str, str), "provide(str): handlers receive str from the message"),
        ((Bus, object), "provide(Bus): handlers receive Bus from the message"),
        (("Limiter", Limiter), "provide('Limiter'): pass a class"),
        ((Limiter, Limiter()), "provide(Limiter): factory is <"),
    ],
)
async def test_what_cannot_be_provided_is_refused(arguments: Any, expected: str) -> None:
    offers = Offers("limits", lambda clients: clients.provide(*arguments))
    async with staged(builtins=(offers,)) as stage:
        await stage.supervisor.start()
        assert expected in reason(stage, "limits")


async def test_a_type_that_two_modules_provide_is_an_error_that_names_both() -> None:
    """The second one fails; the first one's value stays."""
    first = Limiter()
    both = (Offers("one", limiter(first)), Offers("two", limiter(Limiter())))
    async with staged(builtins=both) as stage:
        await stage.supervisor.start()
        assert states(stage) == {"one": "started", "two": "failed"}
        assert "Limiter is provided twice, by module 'one' and module 'two'" in reason(stage, "two")
        assert stage.clients.get(Limiter) is first


async def test_provide_after_register_is_refused() -> None:
    class Late(Module):
        meta = ModuleMeta("late")

        async def on_startup(self, clients: TransportClients) -> None:
            clients.provide(Limiter, Limiter)

    async with staged(builtins=(Late(),)) as stage:
        await stage.supervisor.start()
        assert "call `provide` in `register`" in reason(stage, "late")


async def test_a_type_that_nobody_provides_is_an_error_that_says_what_there_is() -> None:
    """For handlers and for `get`."""

    class Other:
        pass

    offers = Offers("other", lambda clients: clients.provide(Other, Other))
    async with staged(builtins=(offers, Uses())) as stage:
        await stage.supervisor.start()
        assert "annotate it with one of Bus, Message, Other" in reason(stage, "uses")
        with pytest.raises(Unavailable, match="no module provides Limiter; there are Other"):
            stage.clients.get(Limiter)


PROVIDER = """
from dskity import Module, ModuleMeta

class Geofence:
    pass

class Limits(Module):
    meta = ModuleMeta("limits")

    def register(self, clients, config):
        {body}
"""
USER = """
from dskity import Module, ModuleMeta, on
from ..limits.module import Geofence

class Uses(Module):
    meta = ModuleMeta("aaa"{depends})

    @on("things/1")
    async def handle(self, fence: Geofence) -> None: ...
"""


@pytest.mark.parametrize(
    ("body", "enabled", "depends", "expected"),
    [
        (
            "clients.provide(Geofence, Geofence)",
            False,
            "",
            "It is of module 'limits', which is disabled: set modules.limits.enabled to true",
        ),
        (
            "clients.provide(Geofence, Geofence)",
            True,
            "",
            "It is of module 'limits', which starts later: add depends_on=('limits',) to the meta",
        ),
        (
            "pass",
            True,
            ", depends_on=('limits',)",
            "It is of module 'limits', which does not provide it: call clients.provide",
        ),
    ],
)
async def test_the_error_names_the_module_that_the_type_is_of(
    folder: Folder, body: str, enabled: bool, depends: str, expected: str
) -> None:
    """Where it is disabled, starts later, or does not provide it."""
    folder.write("limits/module.py", PROVIDER.format(body=body))
    folder.write("aaa/module.py", USER.format(depends=depends))
    settings = {"limits": {"enabled": enabled}}
    async with staged(folder.path, settings=settings) as stage:
        await stage.supervisor.start()
        assert "'Geofence' is neither something to inject" in reason(stage, "aaa")
        assert expected in reason(stage, "aaa")


async def test_a_module_whose_value_is_used_is_not_disabled() -> None:
    """By a handler that has it, also where the meta does not say so; once nobody uses it, it is,
    and what it provides goes with it."""
    closed: list[Limiter] = []
    offers = Offers(
        "limits", lambda clients: clients.provide(Limiter, Limiter, close=closed.append)
    )
    async with staged(builtins=(offers, Uses())) as stage:
        await stage.supervisor.start()
        with pytest.raises(Conflict, match="module 'limits' is needed by uses"):
            await stage.supervisor.disable("limits")
        await stage.supervisor.disable("uses")
        await stage.supervisor.disable("limits")
        assert len(closed) == 1
        assert stage.clients.find(Limiter) is None


async def test_a_module_that_starts_again_provides_a_new_value() -> None:
    offers = Offers("limits", lambda clients: clients.provide(Limiter, Limiter))
    async with staged(builtins=(offers,)) as stage:
        await stage.supervisor.start()
        first = stage.clients.get(Limiter)
        await stage.supervisor.disable("limits")
        await stage.supervisor.enable("limits")
        assert stage.clients.get(Limiter) is not first


async def test_several_handlers_of_a_module_are_bound_to_one_value() -> None:
    """Also those that are subscribed in `on_startup`."""
    seen: list[Limiter] = []

    class Late(Module):
        meta = ModuleMeta("late", "", ("limits",))

        @on("a")
        async def first(self, limiter: Limiter) -> None:
            seen.append(limiter)

        async def second(self, limiter: Limiter) -> None:
            seen.append(limiter)

        async def on_startup(self, clients: TransportClients) -> None:
            await clients.bus.subscribe("b", self.second)

    made = Limiter()
    async with staged(builtins=(Offers("limits", limiter(made)), Late())) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("a")
        await stage.house.bus.publish("b")
        await until(lambda: seen == [made, made], "both are handled")
