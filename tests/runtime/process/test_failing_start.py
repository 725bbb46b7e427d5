"""A start that fails half-way: nothing of it is left, and the command ends with the reason."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dskity.bootstrap import start
from dskity.bus.errors import EngineError, ModuleFailed
from tests.runtime.house import settings_in, started, write_module
from tests.runtime.program import descendants, running
from tests.servers import HOST, program

ENDS_WITHIN = 15.0  # seconds; on a busy machine most of them are imports

BROKEN = """
    from dskity.modules import Module, ModuleMeta

    class Broken(Module):
        meta = ModuleMeta("broken")

        async def on_startup(self, clients) -> None:
            clients.grpc.channel("127.0.0.1:1")
            clients.http_client.build_request("GET", "http://127.0.0.1:1")
            raise RuntimeError("the sensor is not plugged in")
"""
"""It has opened something when it fails."""


def clash(door: str, port: int) -> dict[str, Any]:
    """Settings that give a door this port."""
    return {"port": port} if door == "http" else {door: {"port": port}}


@pytest.mark.parametrize("door", ["http", "grpc", "broker"])
async def test_a_port_in_use_leaves_nothing_of_the_start(door: str, tmp_path: Path) -> None:
    """No child and no task is left, and the next start has the same state_dir."""
    program("mosquitto", "mosquitto")
    before = descendants(os.getpid())
    with socket.create_server((HOST, 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(EngineError, match=str(port)):
            await start(settings_in(tmp_path, **clash(door, port)))
    assert descendants(os.getpid()) <= before
    async with started(tmp_path) as house:
        assert await house.unready() == {}


async def test_a_module_that_fails_under_strict_leaves_nothing_of_the_start(tmp_path: Path) -> None:
    write_module(tmp_path, "broken.py", BROKEN)
    before = descendants(os.getpid())
    with pytest.raises(ModuleFailed, match="not plugged in"):
        await start(settings_in(tmp_path, strict=True))
    assert descendants(os.getpid()) <= before
    async with started(tmp_path) as house:
        assert list(await house.unready()) == ["module:broken"]


@pytest.mark.parametrize("engine", ["builtin", "mosquitto"])
def test_a_module_that_fails_under_strict_ends_the_command(engine: str, tmp_path: Path) -> None:
    """Exit status 1, at once; its last line is the reason."""
    write_module(tmp_path, "broken.py", BROKEN)
    words = {
        "host": HOST,
        "port": 0,
        "grpc.port": 0,
        "broker.port": 0,
        "broker.engine": engine,
        "strict": "true",
    }
    command = [f"--set={key}={value}" for key, value in words.items()]
    with running("dskity", "run", *command, folder=tmp_path) as it:
        assert it.ended(ENDS_WITHIN) == 1, it.output
        assert it.lines[-1].startswith("error: module 'broken': RuntimeError: the sensor is not")


async def test_any_client_id_will_do(tmp_path: Path) -> None:
    """Also one that is no level of a topic."""
    async with started(tmp_path, common={"mqtt": {"client_id": "plant/1 +#%"}}) as house:
        assert await house.unready() == {}
        (kv,) = house.runtime.clients.registry.instances("kv")
        assert kv.instance == "plant%2F1 +#%"
