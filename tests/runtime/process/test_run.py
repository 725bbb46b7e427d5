"""`dskity run` as a process: its end, its presence, and what keeps it from starting."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.engines.device import Device, device
from tests.runtime.house import write_module
from tests.runtime.program import Program, descendants, gone, running
from tests.servers import HOST, ServerProcess, mosquitto
from tests.waiting import until

FREE = {"host": HOST, "port": "0", "grpc.port": "0", "broker.port": "0"}
READY = "modules started"

SLOW = """
    import asyncio

    from dskity.modules import Bus, Module, ModuleMeta, on

    class Slow(Module):
        meta = ModuleMeta("slow")

        @on("work")
        async def work(self, bus: Bus) -> None:
            await bus.publish("work/begun")
            await asyncio.sleep(0.5)
            await bus.publish("work/done")

        async def on_shutdown(self, clients) -> None:
            print("slow: shut down", flush=True)
"""


@contextlib.contextmanager
def dskity_run(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Program]:
    """`dskity run` in a folder."""
    words = [f"--set={key}={value}" for key, value in (FREE | dict(settings or {})).items()]
    with running("dskity", "run", *words, folder=folder) as it:
        yield it


@pytest.fixture
def broker() -> Iterator[ServerProcess]:
    """One that somebody else runs."""
    with mosquitto() as server:
        yield server


@pytest.fixture
async def observer(broker: ServerProcess) -> AsyncIterator[Device]:
    """A foreign client that hears the state of every runtime, and of `work`."""
    async with device(broker.port) as it:
        await it.subscribe("dskity/runtime/+/state")
        await it.subscribe("work/+")
        yield it


def on(broker: ServerProcess) -> dict[str, str]:
    return {
        "common.mqtt.url": f"mqtt://{HOST}:{broker.port}",
        "common.mqtt.client_id": "runtime-1",
    }


def states(observer: Device) -> list[str]:
    """What was told of `runtime-1`, in order; a state that is told anew counts once."""
    topic = "dskity/runtime/runtime-1/state"
    told = [json.loads(p)["state"] for name, p, *_ in observer.received if name == topic]
    return [state for index, state in enumerate(told) if told[index - 1 : index] != [state]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_drains_and_exits_with_0(
    number: signal.Signals, broker: ServerProcess, observer: Device, tmp_path: Path
) -> None:
    """A handler that has begun ends its work, its module is shut down, and presence tells all."""
    write_module(tmp_path, "slow.py", SLOW)
    with dskity_run(tmp_path, on(broker)) as it:
        it.wait_for(READY)
        await observer.publish("work", b"1")
        await until(lambda: _heard(observer, "work/begun"), "the handler has begun")
        it.tell(number)
        assert it.ended() == 0, it.output
        assert _heard(observer, "work/done")
        it.wait_for("slow: shut down", 0)
    await until(lambda: states(observer)[-1] == "stopped", "it is told")
    assert states(observer) == ["starting", "ready", "draining", "stopped"]


STUCK = """
    import asyncio

    from dskity.modules import Bus, Module, ModuleMeta, on

    class Stuck(Module):
        meta = ModuleMeta("stuck")

        @on("work")
        async def work(self, bus: Bus) -> None:
            await bus.publish("work/begun")
            await asyncio.Event().wait()

"""
BLOCKED = """
    import time

    from dskity.modules import Module, ModuleMeta

    class Blocked(Module):
        meta = ModuleMeta("blocked")

        async def on_startup(self, clients) -> None:
            print("blocked", flush=True)
            time.sleep(60)
"""


async def test_a_second_ctrl_c_ends_at_once_and_says_what_it_cut_off(
    broker: ServerProcess, observer: Device, tmp_path: Path
) -> None:
    """Status 130; the handler, its message and the modules that had not stopped are named."""
    write_module(tmp_path, "stuck.py", STUCK)
    with dskity_run(tmp_path, on(broker) | {"shutdown_grace_seconds": "60"}) as it:
        it.wait_for(READY)
        await observer.publish("work", b"1")
        await until(lambda: _heard(observer, "work/begun"), "the handler has begun")
        it.tell(signal.SIGINT)
        it.wait_for("stopping: draining; Ctrl-C")
        it.tell(signal.SIGINT)
        assert it.ended() == 130, it.output
        it.wait_for(r"cut off: handlers still running.*: stuck\.Stuck\.work \(1\)", 0)
        it.wait_for("cut off: messages in flight: 1;", 0)
        it.wait_for(r"cut off: modules not stopped: .*\bstuck\b", 0)
    await until(lambda: states(observer)[-1] == "lost", "the will is sent")


def test_a_second_ctrl_c_ends_a_loop_that_is_blocked(tmp_path: Path) -> None:
    """Nothing in it hears the first one. Two that come together count as one."""
    write_module(tmp_path, "blocked.py", BLOCKED)
    with dskity_run(tmp_path) as it:
        it.wait_for("blocked")
        for _ in range(100):
            it.tell(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert it.ended(0.1) == 130, it.output
                break
        it.wait_for("cut off: the start was not complete", 0)


def test_a_second_sigterm_lets_it_drain(tmp_path: Path) -> None:
    """Supervisors send it twice; the one who wants more sends SIGKILL."""
    with dskity_run(tmp_path) as it:
        it.wait_for(READY)
        it.tell(signal.SIGTERM)
        it.tell(signal.SIGTERM)
        assert it.ended() == 0, it.output


async def test_killed_it_is_lost_and_comes_back_as_itself(
    broker: ServerProcess, observer: Device, tmp_path: Path
) -> None:
    """The will says `lost`, where the retained state is; the next start takes its place."""
    with dskity_run(tmp_path, on(broker)) as it:
        await until(lambda: states(observer)[-1:] == ["ready"], "it is ready")
        it.tell(signal.SIGKILL)
    await until(lambda: states(observer)[-1:] == ["lost"], "the will is sent")
    assert states(observer) == ["starting", "ready", "lost"]
    with dskity_run(tmp_path, on(broker)) as it:
        await until(lambda: states(observer)[-1] == "ready", "it is back")


def test_the_managed_broker_ends_with_it(tmp_path: Path) -> None:
    """With a goodbye, and without one."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with dskity_run(tmp_path, {"broker.engine": "mosquitto"}) as it:
            it.wait_for(READY)
            children = descendants(it.pid)
            assert children
            it.tell(number)
            it.ended()
            assert gone(children)


@pytest.mark.parametrize(
    ("setting", "engine"),
    [
        ("port", "builtin"),
        ("grpc.port", "builtin"),
        ("broker.port", "builtin"),
        ("broker.port", "mosquitto"),
    ],
)
def test_a_port_in_use_is_an_error_that_names_it_and_its_setting(
    setting: str, engine: str, tmp_path: Path
) -> None:
    """Exit status 1, and no traceback."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        clash = {"broker.engine": engine, "grpc.host": HOST, setting: str(port)}
        with dskity_run(tmp_path, clash) as it:
            assert it.ended() == 1
            it.wait_for(rf"error: .*{port}.*\b{setting}\b", 0)
            assert "Traceback" not in it.output


def test_a_second_runtime_may_not_have_the_same_state_dir(tmp_path: Path) -> None:
    """It would have the same client id, and the same databases."""
    with dskity_run(tmp_path) as first:
        first.wait_for(READY)
        with dskity_run(tmp_path) as second:
            assert second.ended() == 1
            second.wait_for(rf"error: state_dir .* in use .*process {first.pid}", 0)
        first.tell(signal.SIGTERM)
        assert first.ended() == 0


def _heard(observer: Device, topic: str) -> bool:
    return any(name == topic for name, *_ in observer.received)
