"""Start, stop and state of modules that work; `test_failures.py` has those that do not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from dskity.bus.bus import Bus
from dskity.bus.errors import Conflict, NotFound
from dskity.bus.events import ModuleChanged
from dskity.bus.message import Message
from dskity.modules import Module, ModuleMeta, TransportClients, on
from dskity.modules.lifecycle.lifecycle import HookTimeouts
from dskity.modules.lifecycle.supervisor import Supervisor
from tests.modules.conftest import Folder, Stage, staged
from tests.waiting import until


def status(stage: Stage, name: str) -> str:
    """A module's state."""
    return stage.supervisor.states()[name].state


class Recorder(Module):
    """Writes down what happens to it."""

    def __init__(self, name: str, log: list[str], depends_on: tuple[str, ...] = ()) -> None:
        self.meta = ModuleMeta(name, f"/{name}", depends_on, "1.2")  # type: ignore[misc]  # of this instance
        self.log = log

    def register(self, clients: TransportClients, config: Any) -> None:
        self.log.append(f"{self.meta.name} register")

    async def on_startup(self, clients: TransportClients) -> None:
        self.log.append(f"{self.meta.name} up")

    async def on_shutdown(self, clients: TransportClients) -> None:
        self.log.append(f"{self.meta.name} down")


class Echo(Module):
    """Says what it hears."""

    meta = ModuleMeta("echo", "/echo")

    def __init__(self) -> None:
        self.heard: list[str] = []

    def register(self, clients: TransportClients, config: Any) -> None:
        @clients.http.get("/echo")  # type: ignore[untyped-decorator]  # the app is Any here
        async def echo() -> list[str]:
            return self.heard

    @on("echo/{word}")
    async def hear(self, word: str, _message: Message) -> None:
        self.heard.append(word)


async def get(stage: Stage, path: str) -> int:
    """The status that HTTP answers."""
    transport = httpx.ASGITransport(stage.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.get(path)).status_code


async def test_modules_start_in_order_and_stop_in_reverse() -> None:
    """Each after those it depends on; built-ins go the same way."""
    log: list[str] = []
    modules = (Recorder("web", log, ("store",)), Recorder("store", log))
    async with staged(builtins=modules) as stage:
        await stage.supervisor.start()
        assert log == ["store register", "store up", "web register", "web up"]
        log.clear()
        await stage.supervisor.stop()
        assert log == ["web down", "store down"]
        assert [s.state for s in stage.supervisor.states().values()] == ["stopped", "stopped"]


async def test_a_status_tells_what_a_module_is() -> None:
    """For readiness and listings."""
    async with staged(builtins=(Recorder("store", []), Echo())) as stage:
        await stage.supervisor.start()
        states = stage.supervisor.states()
        store, echo = states["store"], states["echo"]
        assert (store.version, store.base_path, store.source) == ("1.2", "/store", "built-in")
        assert (echo.state, echo.handlers) == ("started", ("echo/{word}",))


async def test_what_on_marks_is_subscribed() -> None:
    """Under the module's name, with its policy."""
    echo = Echo()
    async with staged(builtins=(echo,)) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("echo/hello")
        await until(lambda: echo.heard == ["hello"], "the handler runs")
        assert await get(stage, "/echo") == 200


async def test_states_are_events() -> None:
    """On `{root}/modules/{module}/{state}`, with this runtime's name and a growing sequence."""
    seen: list[dict[str, Any]] = []

    async def watch(event: dict[str, Any]) -> None:
        seen.append(event)

    async with staged(builtins=(Echo(),)) as stage:
        await stage.house.bus.subscribe("dskity/modules/+/+", watch)
        await stage.supervisor.start()
        await stage.supervisor.quarantine("echo", "a storm")
        await stage.supervisor.resume("echo")
        await stage.supervisor.stop()
        await until(lambda: len(seen) == 4, "all four events")
    assert [(e["data"]["state"], e["data"]["sequence"]) for e in seen] == [
        ("started", 1),
        ("quarantined", 2),
        ("resumed", 3),
        ("stopped", 4),
    ]
    assert seen[1]["data"]["reason"] == "a storm"
    assert seen[0]["id"] == ModuleChanged("echo", "started", "house", 1).id()


async def test_an_absent_broker_delays_no_start() -> None:
    """The events leave, in order, when it is there."""
    seen: list[str] = []

    async def watch(event: dict[str, Any]) -> None:
        seen.append(event["data"]["module"])

    modules = (Recorder("a", []), Recorder("b", []), Echo())
    async with staged(builtins=modules, broker_runs=False) as stage:
        await stage.house.bus.subscribe("dskity/modules/+/started", watch)
        async with asyncio.timeout(1):
            await stage.supervisor.start()
        assert {s.state for s in stage.supervisor.states().values()} == {"started"}
        stage.house.broker.start()
        await until(lambda: len(seen) == 3, "the events were kept")
        assert seen == ["a", "b", "echo"]


async def test_a_stop_with_an_absent_broker_does_not_wait() -> None:
    """What could not be announced is given up."""
    async with staged(builtins=(Echo(),), broker_runs=False) as stage:
        await stage.supervisor.start()
        async with asyncio.timeout(1):
            await stage.supervisor.stop()
        assert status(stage, "echo") == "stopped"


async def test_a_disabled_module_is_not_started() -> None:
    """It is listed."""
    log: list[str] = []
    settings = {"store": {"enabled": False}}
    async with staged(builtins=(Recorder("store", log),), settings=settings) as stage:
        await stage.supervisor.start()
        assert (status(stage, "store"), log) == ("disabled", [])


async def test_settings_are_hydrated_before_register(folder: Folder) -> None:
    """`config` is the runtime's settings."""
    folder.write(
        "health.py",
        """
        from pydantic import BaseModel
        from dskity.modules import ModuleMeta

        class Settings(BaseModel):
            limit: int = 5

        class Health:
            meta = ModuleMeta("health")

            def additional_settings_model(self):
                return Settings

            def register(self, clients, config):
                assert config.modules.health.additional_settings == Settings(limit=7)
        """,
    )
    settings = {"health": {"additional_settings": {"limit": 7}}}
    async with staged(folder.path, settings=settings) as stage:
        await stage.supervisor.start()
        assert status(stage, "health") == "started"


async def test_register_and_hooks_may_be_async_or_not() -> None:
    """They are awaited where there is something to await."""
    done: list[str] = []

    async def register(clients: TransportClients, config: Any) -> None:
        await asyncio.sleep(0)
        done.append("register")

    module = SimpleNamespace(
        meta=ModuleMeta("odd"),
        register=register,
        on_startup=lambda clients: done.append("up"),
        on_shutdown=lambda clients: done.append("down"),
    )
    async with staged(builtins=(module,)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.stop()
    assert done == ["register", "up", "down"]


async def test_stop_lets_handlers_finish_before_on_shutdown() -> None:
    """The last message is handled by a module that is whole."""
    log: list[str] = []
    entered, release = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        @on("slow")
        async def handle(self, _message: Message) -> None:
            entered.set()
            await release.wait()
            self.log.append("handled")

    async with staged(builtins=(Slow("slow", log),)) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("slow")
        await entered.wait()
        stopping = asyncio.create_task(stage.supervisor.stop(), name="stopping")
        await asyncio.sleep(0)
        release.set()
        await stopping
    assert log[-2:] == ["handled", "slow down"]


async def test_a_handler_that_does_not_finish_is_left_after_the_limit() -> None:
    """A stop is not held up for ever."""

    class Stuck(Recorder):
        @on("stuck", timeout=None)
        async def handle(self, _message: Message) -> None:
            self.log.append("stuck in it")
            await asyncio.Event().wait()

    log: list[str] = []
    async with staged(builtins=(Stuck("stuck", log),)) as stage:
        await stage.supervisor.start()
        await stage.house.bus.publish("stuck")
        await until(lambda: "stuck in it" in log, "the handler runs")
        async with asyncio.timeout(2):
            await stage.supervisor.stop()
    assert log[-1] == "stuck down"


class Mixed(Echo):
    """Handles messages in all four ways."""

    def register(self, clients: TransportClients, config: Any) -> None:
        clients.mqtt.add_message_handler("mqtt", self.by_mqtt)
        clients.events.on("named", self.by_event)

    async def on_startup(self, clients: TransportClients) -> None:
        await clients.bus.subscribe("bus", self.by_bus)

    async def by_mqtt(self, message: Message) -> None:
        self.heard.append(message.topic)

    async def by_bus(self, message: Message) -> None:
        self.heard.append(message.topic)

    async def by_event(self, data: Any) -> None:
        self.heard.append(data)


async def say_all(stage: Stage) -> int:
    """A message for each way; returns how many local handlers of the event there were."""
    bus: Bus = stage.house.bus
    for topic in ("mqtt", "bus", "echo/on"):
        await bus.publish(topic)
    return await stage.events.emit("named", "event")


async def test_quarantine_ends_all_handlers_and_resume_brings_them_back() -> None:
    """The module stays loaded: neither hook runs, and HTTP goes on."""
    mixed = Mixed()
    async with staged(builtins=(mixed,)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.quarantine("echo", "too many failures")
        quarantined = stage.supervisor.states()["echo"]
        assert (quarantined.state, quarantined.reason) == ("quarantined", "too many failures")
        assert len(quarantined.handlers) == 4
        assert await say_all(stage) == 0
        await stage.supervisor.resume("echo")
        assert status(stage, "echo") == "started"
        assert await say_all(stage) == 1
        await until(lambda: len(mixed.heard) == 4, "each way is back")
        assert sorted(mixed.heard) == ["bus", "event", "mqtt", "on"]


async def test_a_quarantined_module_stops_like_any_other() -> None:
    """Nothing of it is left."""
    async with staged(builtins=(Mixed(),)) as stage:
        await stage.supervisor.start()
        await stage.supervisor.quarantine("echo", "")
        await stage.supervisor.stop()
        assert status(stage, "echo") == "stopped"
        assert stage.house.bus.subscriptions == ()


async def test_disable_takes_a_module_away_and_enable_brings_it_back() -> None:
    """Its handlers and its HTTP routes, while the others run on."""
    echo = Echo()
    async with staged(builtins=(echo, Recorder("store", []))) as stage:
        await stage.supervisor.start()
        await stage.supervisor.disable("echo")
        assert (status(stage, "echo"), status(stage, "store")) == ("disabled", "started")
        assert await get(stage, "/echo") == 404
        await stage.supervisor.enable("echo")
        await stage.house.bus.publish("echo/again")
        await until(lambda: echo.heard == ["again"], "it is subscribed once")
        assert await get(stage, "/echo") == 200
        assert "/echo" in stage.app.openapi()["paths"]


async def test_a_module_that_others_need_is_not_disabled() -> None:
    """The error names them."""
    modules = (Recorder("store", []), Recorder("web", [], ("store",)))
    async with staged(builtins=modules) as stage:
        await stage.supervisor.start()
        with pytest.raises(Conflict, match="'store' is needed by web: disable them first"):
            await stage.supervisor.disable("store")


async def test_changes_that_make_no_sense_are_refused() -> None:
    """An unknown name names the nearest; a wrong state says what the state is."""
    async with staged(builtins=(Recorder("store", []),)) as stage:
        await stage.supervisor.start()
        with pytest.raises(NotFound, match="no module 'stor': did you mean 'store'"):
            await stage.supervisor.quarantine("stor", "")
        with pytest.raises(Conflict, match="'store' is started, not quarantined"):
            await stage.supervisor.resume("store")


async def test_a_module_that_was_not_imported_cannot_be_enabled(folder: Folder) -> None:
    """A restart imports it."""
    from dskity.modules.lifecycle.discovery import discover  # noqa: PLC0415  # the one test that needs it

    folder.write("health.py", "1 / 0\n")
    async with staged(builtins=()) as stage:
        found = await asyncio.to_thread(discover, [folder.path], disabled={"health"})
        supervisor = Supervisor(stage.clients, stage.supervisor._config, found, events=stage.events)
        await supervisor.start()
        assert supervisor.states()["health"].state == "disabled"
        with pytest.raises(Conflict, match="was not imported"):
            await supervisor.enable("health")


async def test_stuck_handlers_of_several_modules_share_the_time_to_drain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They hold up the end as long as one does."""

    class Stuck(Module):
        def __init__(self, name: str) -> None:
            self.meta = ModuleMeta(name)  # type: ignore[misc]  # of this instance

        @on("t")
        async def stuck(self, message: Message) -> None:
            begun.append(message.payload)
            await asyncio.Event().wait()

    begun: list[bytes] = []
    builtins = tuple(Stuck(name) for name in ("one", "two", "three"))
    async with staged(builtins=builtins) as stage:
        stage.supervisor._limits = HookTimeouts(drain=0.5)
        await stage.supervisor.start()
        await stage.house.bus.publish("t", b"")
        await until(lambda: len(begun) == 3, "all are stuck")
        await stage.supervisor.stop()
    late = [r.message.rpartition(" within ")[2] for r in caplog.records if "did not" in r.message]
    assert late[1:] == ["0.2 s", "0.2 s"]
