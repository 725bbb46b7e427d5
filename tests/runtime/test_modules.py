"""Modules in a whole runtime: one that fails, and two runtimes beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dskity.bus.errors import ModuleFailed
from dskity.notices.banner import banner
from dskity.notices.unknown_modules import no_modules
from tests.engines.device import device
from tests.runtime.house import COUNTER, on_broker, started, write_module
from tests.servers import mosquitto
from tests.waiting import until

BROKEN = {
    "syntax": "class Broken(:\n",
    "missing import": "import a_package_that_nobody_has\n",
    "failing start": """
        from dskity.modules import Module, ModuleMeta

        class Broken(Module):
            meta = ModuleMeta("broken")

            async def on_startup(self, clients) -> None:
                raise RuntimeError("no sensor on the bus")
    """,
    "wrong signature": """
        from dskity.modules import Module, ModuleMeta, on

        class Broken(Module):
            meta = ModuleMeta("broken")

            @on("devices/+/telemetry")
            async def telemetry(self, one, other) -> None: ...
    """,
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_module_that_fails_fails_alone(fault: str, tmp_path: Path) -> None:
    """Readiness names it, an event tells, and the handlers of the others run."""
    write_module(tmp_path, "broken.py", BROKEN[fault])
    write_module(tmp_path, "counter.py", COUNTER)
    with mosquitto() as broker:
        async with device(broker.port) as sensor:
            await sensor.subscribe("dskity/modules/broken/failed")
            await sensor.subscribe("devices/d1/handled")
            async with started(tmp_path, common=on_broker(broker.port)) as house:
                unready = await house.unready()
                assert list(unready) == ["module:broken"]
                await until(lambda: sensor.received, "the event")
                event = json.loads(sensor.received.pop()[1])
                assert event["data"]["reason"] in unready["module:broken"]
                await sensor.publish("devices/d1/telemetry", b'{"celsius": 20}')
                await until(lambda: sensor.received, "the reading is handled")


async def test_a_name_in_the_settings_that_is_no_module_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It turns nothing off; names of ours are known, also where the module is absent."""
    write_module(tmp_path, "counter.py", COUNTER)
    names = {name: {"enabled": False} for name in ("conuter", "webhooks", "grpc")}
    async with started(tmp_path, broker={"engine": "builtin"}, modules=names):
        ours = [record for record in caplog.records if record.name == "dskity"]
        warnings = [record.message for record in ours if record.levelname == "WARNING"]
        assert warnings == [
            "modules.conuter: no module of this name was found; did you mean counter?"
        ]


async def test_with_strict_the_first_failure_ends_the_start(tmp_path: Path) -> None:
    """And what had started is stopped: a second start finds nothing in its way."""
    write_module(tmp_path, "broken.py", BROKEN["failing start"])
    with pytest.raises(ModuleFailed, match="no sensor on the bus"):
        async with started(tmp_path, broker={"engine": "builtin"}, strict=True):
            pass
    async with started(tmp_path, broker={"engine": "builtin"}) as house:
        assert list(await house.unready()) == ["module:broken"]


async def test_two_runtimes_fit_in_one_process(tmp_path: Path) -> None:
    """On one broker each has its own modules, doors and state, and they see each other."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    write_module(folders[0], "counter.py", COUNTER)
    async with started(folders[0], broker={"engine": "builtin"}) as one:
        beside = on_broker(one.broker_port)
        async with started(folders[1], common=beside) as other:
            assert one.runtime.bus.client_id != other.runtime.bus.client_id
            assert one.http.base_url != other.http.base_url
            assert "counter" not in other.runtime.supervisor.states()
            registry = other.runtime.clients.registry
            await until(lambda: registry.instances("counter"), "the other's services are known")
            answer = await other.runtime.bus.request("devices/d1/mean")
            assert answer.json() == {"handled": 0}
        assert await one.unready() == {}


KEYED = """
    from pydantic import BaseModel

    from dskity.modules import Module, ModuleMeta

    class Own(BaseModel):
        limit: int = 5

    class Keyed(Module):
        meta = ModuleMeta("keyed", "/keyed")
        additional_settings_model = Own

        def register(self, clients, config):
            clients.http.add_api_route("/health/live", lambda: 1)
"""


async def test_keys_that_nobody_reads_and_routes_that_ours_shadow_are_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The module runs, without them."""
    write_module(tmp_path, "keyed.py", KEYED)
    modules = {"keyed": {"limit": 1, "additional_settings": {"limt": 2}}}
    async with started(tmp_path, broker={"engine": "builtin"}, modules=modules):
        text = caplog.text
    assert "modules.keyed.limit: did you mean modules.keyed.additional_settings.limit?" in text
    assert "additional_settings.limt: Own has no such field; did you mean limit?" in text
    assert "module keyed: GET /health/live is never reached: /health/live takes its calls" in text


async def test_a_folder_without_modules_is_told_as_list_tells_it(tmp_path: Path) -> None:
    """One who started in the wrong folder sees why nothing happens."""
    async with started(tmp_path, broker={"engine": "builtin"}) as house:
        told = no_modules(house.runtime.settings)
        assert told == f"no modules in {tmp_path / 'modules'}; `dskity init` creates one"
        assert told in list(banner(house.runtime, "1", None))
    write_module(tmp_path, "counter.py", COUNTER)
    async with started(tmp_path, broker={"engine": "builtin"}) as house:
        assert told not in list(banner(house.runtime, "1", None))
