"""What a start imports and what an idle runtime holds: each has to be worth its cost."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.device import device
from tests.runtime.house import started, write_module
from tests.runtime.program import ROOT, running
from tests.servers import HOST, program
from tests.waiting import until

IDLE_MIB = 80
NEVER = {"amqtt", "httpx", "pygments", "redis", "rich", "tomllib", "yaml"}
"""What a runtime that was asked for none of it does without."""
OF_GRPC = {"google", "grpc"}

LISTER = """
    import sys

    from dskity.modules import Module, ModuleMeta

    class Lister(Module):
        meta = ModuleMeta("lister")

        async def on_shutdown(self, clients) -> None:
            print("pydantic.v1:", "pydantic.v1" in sys.modules, flush=True)
            print("imported:", *{name.partition(".")[0] for name in sys.modules}, flush=True)
"""

CALLER = """
    import httpx

    from dskity.modules import Bus, Module, ModuleMeta, on

    class Caller(Module):
        meta = ModuleMeta("caller")

        def register(self, clients, config) -> None:
            self.client = clients.http_client
            assert isinstance(self.client, httpx.AsyncClient)

        @on("call/{name}")
        async def call(self, url: str, name: str, http: httpx.AsyncClient, bus: Bus) -> None:
            answer = await http.get(url)
            await bus.publish(f"called/{name}/{http is self.client}/{answer.status_code}")
"""


@pytest.mark.parametrize("grpc", [True, False])
def test_an_idle_runtime_holds_what_it_needs(grpc: bool, tmp_path: Path) -> None:
    """Without its door, grpc is not imported either."""
    program("mosquitto", "mosquitto")
    write_module(tmp_path, "lister.py", LISTER)
    words = {"host": HOST, "port": 0, "grpc.port": 0, "broker.port": 0, "grpc.enabled": grpc}
    command = [f"--set={key}={value}" for key, value in words.items()]
    with running("dskity", "run", *command, folder=tmp_path) as it:
        it.wait_for("modules started")
        assert _resident_mib(it.pid) <= IDLE_MIB
        it.tell(signal.SIGTERM)
        assert it.ended() == 0
        it.wait_for("pydantic.v1: False", 0)
        imported = set(it.wait_for("imported: (.*)", 0)[1].split())
    assert imported & NEVER == set()
    assert (imported >= OF_GRPC) is grpc


def test_a_bus_of_ones_own_imports_no_door() -> None:
    """`dskity pub`, `sub` and `request` need no more."""
    code = "import sys, dskity.client; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & (NEVER | OF_GRPC | {"aiomqtt", "fastapi", "uvicorn"}) == set()


async def test_the_http_client_is_one_for_all_who_ask(tmp_path: Path) -> None:
    """By attribute and by type, it is the same `httpx.AsyncClient`; it is closed with the
    runtime."""
    write_module(tmp_path, "caller.py", CALLER)
    async with started(tmp_path) as house:
        async with device(house.broker_port) as sensor:
            await sensor.subscribe("called/#")
            url = house.http.base_url.join("/health/live")
            await sensor.publish("call/live", str(url).encode())
            await until(lambda: sensor.received, "the call is made")
            assert sensor.received[0][0] == "called/live/True/200"
        client = house.runtime.clients.http_client
        assert not client.is_closed
    assert client.is_closed


def _resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
