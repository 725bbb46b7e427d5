"""A module that fails, in each way there is: the others work, and it says why it does not."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from dskity.bus.errors import ModuleFailed
from tests.modules.conftest import Folder, Stage, staged
from tests.waiting import until

WORKING = """
    from dskity.modules import Message, Module, ModuleMeta, on

    class Working(Module):
        meta = ModuleMeta("working")

        def __init__(self):
            self.heard = []

        @on("hello")
        async def hello(self, message: Message) -> None:
            self.heard.append(message.topic)
"""
HEAD = """
    import asyncio
    from dskity.modules import Message, Module, ModuleMeta, TransportClients, on
"""
FAILING = {
    "syntax error": ("def :\n", "invalid syntax"),
    "missing package": ("import no_such_package_here\n", "'no_such_package_here' is not installed"),
    "failing import": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "failing register": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        def register(self, clients, config):
            clients.http.add_api_route("/bad", lambda: 1)
            raise ValueError("no licence")
""",
        "ValueError: no licence (",
    ),
    "failing on_startup": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        def register(self, clients, config):
            clients.http.add_api_route("/bad", lambda: 1)
            clients.mqtt.add_message_handler("hello", print)
            clients.events.on("x", print)

        @on("hello")
        async def hello(self, message: Message): ...

        async def on_startup(self, clients):
            raise ValueError("no licence")
""",
        "ValueError: no licence (",
    ),
    "slow on_startup": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        async def on_startup(self, clients):
            await asyncio.Event().wait()
""",
        "on_startup did not return within 0.2 s",
    ),
    "wrong signature": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        @on("devices/{device}/telemetry")
        async def telemetry(self, reading, device, unit) -> None: ...
""",
        "telemetry",
    ),
    "wrong filter": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        def register(self, clients, config):
            clients.mqtt.add_message_handler("a/#/c", print)
""",
        "'#' must be the last level",
    ),
    "wrong settings": (
        """
    from pydantic import BaseModel

    class Needed(BaseModel):
        url: str

    class Bad(Module):
        meta = ModuleMeta("bad")
        additional_settings_model = Needed
""",
        "modules.bad.additional_settings.url: Field required",
    ),
    "missing dependency": (
        'class Bad(Module):\n        meta = ModuleMeta("bad", depends_on=("workin",))\n',
        "its dependency 'workin' was not found (bad → workin): did you mean 'working'?",
    ),
    "exit": (
        """
    class Bad(Module):
        meta = ModuleMeta("bad")

        def register(self, clients, config):
            raise SystemExit("gone")
""",
        "SystemExit: gone",
    ),
}


def write(folder: Folder, body: str) -> None:
    """A broken module before a working one."""
    folder.write("bad.py", f"{HEAD}\n    {body.lstrip()}")
    folder.write("working.py", WORKING)


async def still_works(stage: Stage) -> None:
    """The other module has started, and hears."""
    working = stage.supervisor._units["working"].found.module
    assert stage.supervisor.states()["working"].state == "started"
    await stage.house.bus.publish("hello")
    await until(lambda: working.heard == ["hello"], "the other module's handler runs")


@pytest.mark.parametrize("way", FAILING)
async def test_one_module_fails_and_the_others_work(
    folder: Folder, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is `failed` with reason and digest; one log record, without traceback, and one event."""
    body, says = FAILING[way]
    write(folder, body)
    events: list[dict[str, Any]] = []

    async def failed(event: dict[str, Any]) -> None:
        events.append(event["data"])

    async with staged(folder.path) as stage:
        await stage.house.bus.subscribe("dskity/modules/+/failed", failed)
        await stage.supervisor.start()
        bad = stage.supervisor.states()["bad"]
        assert bad.state == "failed"
        assert says in bad.reason
        assert not bad.reason.startswith("module 'bad'")
        await still_works(stage)
        await until(lambda: events, "the event")
        assert [(e["module"], e["reason"], e["digest"]) for e in events] == [
            ("bad", bad.reason, bad.digest)
        ]
        assert len(bad.digest) == 12
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert [r.name for r in errors] == ["dskity.modules"]
    assert errors[0].exc_info is None
    assert says.removesuffix(" (") in errors[0].getMessage()


@pytest.mark.parametrize("way", ["failing register", "failing on_startup"])
async def test_what_a_failed_module_added_is_taken_away(folder: Folder, way: str) -> None:
    """HTTP routes, subscriptions and event handlers."""
    write(folder, FAILING[way][0])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert [s.filter for s in stage.house.bus.subscriptions] == ["hello"]
        assert await stage.events.emit("x") == 0
        transport = httpx.ASGITransport(stage.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/bad")).status_code == 404


async def test_the_reason_names_the_line_in_the_module(folder: Folder) -> None:
    """Where to look."""
    write(folder, FAILING["failing register"][0])
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert "bad.py:10)" in stage.supervisor.states()["bad"].reason


REPORTS = {
    "failing register": 'bad.py:10: raise ValueError("no licence")\n  ValueError: no licence\n',
    "failing import": "bad.py:5: 1 / 0\n  its import failed: ZeroDivisionError: division by zero\n",
    "syntax error": "bad.py:5: def :\n  invalid syntax: def :\n",
    "wrong signature": 'bad.py:8: @on("devices/{device}/telemetry")\n  Bad.telemetry: ',
}


@pytest.mark.parametrize("way", REPORTS)
async def test_the_log_of_a_failure_begins_with_the_line_of_the_module(
    folder: Folder, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Then the error, then what to do; the traceback is there at DEBUG."""
    write(folder, FAILING[way][0])
    caplog.set_level(logging.DEBUG, "dskity.modules")
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
    report, trace = [r for r in caplog.records if "failed" in r.getMessage()]
    assert (report.levelname, trace.levelname) == ("ERROR", "DEBUG")
    text = report.getMessage()
    assert text.startswith(f"module bad failed: {folder.path}/{REPORTS[way]}")
    assert text.endswith("disable it with modules.bad.enabled: false")
    assert trace.exc_info is not None


async def test_settings_that_are_refused_are_not_logged(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """A value may be a secret; the traceback shows it neither."""
    write(folder, FAILING["wrong settings"][0])
    settings = {"bad": {"additional_settings": {"url": ["s3cret"]}}}
    async with staged(folder.path, settings=settings) as stage:
        await stage.supervisor.start()
    assert "modules.bad.additional_settings.url: Input should be a valid string" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_digest_is_equal_for_equal_failures(folder: Folder) -> None:
    """Whatever the error's text says, and in whichever folder the file lies."""
    for copy in ("here", "there"):
        folder.write(f"{copy}/bad.py", f"raise ValueError({copy!r})\n")
    async with staged(folder.path / "here", folder.path / "there") as stage:
        await stage.supervisor.start()
        here, there = stage.supervisor.states().values()
        assert here.reason != there.reason
        assert here.digest == there.digest


async def test_a_cycle_fails_its_modules_only(folder: Folder) -> None:
    """And names the path."""
    for name, needs in (("a", "b"), ("b", "a")):
        folder.write(
            f"{name}.py",
            f"""
            from dskity.modules import Module, ModuleMeta

            class Part(Module):
                meta = ModuleMeta("{name}", depends_on=("{needs}",))
            """,
        )
    folder.write("working.py", WORKING)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        states = stage.supervisor.states()
        for name in ("a", "b"):
            assert states[name].state == "failed"
            assert states[name].reason == "it is on a cycle of depends_on: a → b → a"
        await still_works(stage)


@pytest.mark.parametrize(("enabled", "state"), [(True, "failed"), (False, "disabled")])
async def test_a_module_whose_dependency_does_not_run_does_not_start(
    folder: Folder, enabled: bool, state: str
) -> None:
    """It says which one."""
    write(folder, FAILING["failing register"][0])
    folder.write(
        "web.py",
        f"""{HEAD}
    class Web(Module):
        meta = ModuleMeta("web", depends_on=("bad",))
""",
    )
    async with staged(folder.path, settings={"bad": {"enabled": enabled}}) as stage:
        await stage.supervisor.start()
        web = stage.supervisor.states()["web"]
        assert (web.state, web.reason) == ("failed", f"its dependency 'bad' is {state}")
        await still_works(stage)


async def test_a_duplicate_name_fails_alone(folder: Folder) -> None:
    """The first of the name works; a built-in is always the first."""
    folder.write("working.py", WORKING)
    folder.write("zebra.py", WORKING)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        other = stage.supervisor.states()["working#2"]
        assert other.state == "failed"
        assert "the name 'working' is taken by" in other.reason
        await still_works(stage)


async def test_strict_makes_the_first_failure_fatal(folder: Folder) -> None:
    """What had started is ended by `stop`."""
    write(folder, FAILING["failing register"][0])
    folder.write("able.py", WORKING.replace("working", "able"))
    async with staged(folder.path, strict=True) as stage:
        with pytest.raises(ModuleFailed, match="module 'bad': ValueError: no licence"):
            await stage.supervisor.start()
        await stage.supervisor.stop()
        states = {name: s.state for name, s in stage.supervisor.states().items()}
        assert states == {"able": "stopped", "bad": "failed", "working": "waiting"}


@pytest.mark.parametrize(
    "body", ['raise ValueError("no")', "await asyncio.Event().wait()"], ids=["raises", "hangs"]
)
async def test_a_failing_on_shutdown_stops_nobody_else(folder: Folder, body: str) -> None:
    """It is logged, and the module counts as stopped."""
    write(
        folder,
        f"""
    class Bad(Module):
        meta = ModuleMeta("bad")

        async def on_shutdown(self, clients):
            {body}
""",
    )
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        async with asyncio.timeout(2):
            await stage.supervisor.stop()
        assert {s.state for s in stage.supervisor.states().values()} == {"stopped"}


async def test_a_cancelled_start_takes_away_what_it_had_added(folder: Folder) -> None:
    """SIGTERM during a slow start."""
    write(folder, FAILING["slow on_startup"][0])
    async with staged(folder.path) as stage:
        start = asyncio.create_task(stage.supervisor.start(), name="start")
        await until(
            lambda: stage.supervisor.states()["bad"].state == "starting", "the start is under way"
        )
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert stage.supervisor.states()["bad"].state == "stopped"
        assert stage.house.bus.subscriptions == ()


async def test_a_failed_module_can_be_enabled_once_the_cause_is_gone(folder: Folder) -> None:
    """Its reason is then empty."""
    write(
        folder,
        """
    class Bad(Module):
        meta = ModuleMeta("bad")
        well = False

        def register(self, clients, config):
            if not self.well:
                raise ValueError("no licence")
""",
    )
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        stage.supervisor._units["bad"].found.module.well = True
        await stage.supervisor.enable("bad")
        bad = stage.supervisor.states()["bad"]
        assert (bad.state, bad.reason, bad.digest) == ("started", "", "")
