"""What modules provide, in a whole runtime: injection, readiness, and the built-ins by the same
means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dskity import KV, Conflict, Module, ModuleMeta, Unavailable, on
from dskity.composition.built_ins import BUILT_INS
from dskity.modules import TransportClients
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings
from tests.providers.stage import Limiter, Offers
from tests.waiting import until


@pytest.fixture
async def runtimes(tmp_path: Path) -> AsyncIterator[Runtimes]:
    """Whole ones, in memory."""
    runtimes = Runtimes(isolated_settings(tmp_path), ScriptedBroker())
    yield runtimes
    await runtimes.close()


async def test_readiness_shows_the_ping_under_its_name(runtimes: Runtimes) -> None:
    """`/health/ready` is 503 while it fails, and 200 again afterwards; a disabled module's check
    is gone."""
    away = True

    async def ping(_: Limiter) -> None:
        if away:
            raise ConnectionError("no route to host")

    def offer(clients: TransportClients) -> None:
        clients.provide(Limiter, Limiter, ping=ping, name="limits-db")

    runtime = await runtimes(Offers("limits", offer))
    async with http_client(runtime.app) as client:
        answer = await client.get("/health/ready")
        checks = answer.json()["checks"]
        assert answer.status_code == 503
        assert checks["limits-db"]["status"] == "failed"
        assert checks["limits-db"]["reason"] == "ConnectionError: no route to host"
        assert checks["kv"]["status"] == "ok"
        away = False
        assert (await client.get("/health/ready")).status_code == 200
        await runtime.supervisor.disable("limits")
        assert "limits-db" not in (await client.get("/health/ready")).json()["checks"]


async def test_built_in_services_are_provided_as_a_user_s_are(runtimes: Runtimes) -> None:
    """Each by its module; the settings and the HTTP client are the runtime's own."""
    runtime = await runtimes()
    owners = {p.label: p.owner for p in runtime.clients.providers.registry}
    assert owners == {
        "DSkitySettings": "the runtime",
        "AsyncClient": "the runtime",
        "KV": "kv",
        "Registry": "registry",
        "Commands": "commands",
    }


class Counts(Module):
    """Its handler wants the key-value store."""

    meta = ModuleMeta("counts")

    @on("count/{thing}")
    async def count(self, amount: int, kv: KV, thing: str) -> None:
        await kv.put(f"count/{thing}", amount)


async def test_a_handler_that_wants_a_disabled_built_in_is_told_so(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    """And the others run: HTTP without the routes of the key-value store."""
    settings = isolated_settings(tmp_path, modules={"kv": {"enabled": False}})
    runtime = await runtimes(Counts(), settings=settings)
    states = runtime.supervisor.states()
    assert {name for name, unit in states.items() if unit.state == "failed"} == {"counts"}
    told = "It is of module 'kv', which is disabled: set modules.kv.enabled to true"
    assert told in states["counts"].reason
    with pytest.raises(Unavailable, match="no module provides KV"):
        _ = runtime.clients.kv
    async with http_client(runtime.app) as client:
        assert (await client.get("/kv/a")).status_code == 404
        assert (await client.get("/_core/services.json")).status_code == 200


async def test_a_built_in_that_is_used_is_not_disabled(runtimes: Runtimes) -> None:
    """Those that use it are named."""
    runtime = await runtimes(Counts())
    await runtime.bus.publish("count/a", 1)

    async def counted() -> bool:
        return bool(await runtime.clients.kv.get("count/a") == 1)

    await until(counted, "the handler has written")
    with pytest.raises(Conflict, match=r"module 'kv' is needed by .*counts"):
        await runtime.supervisor.disable("kv")


class Service(Module):
    """A new built-in: its package is this class."""

    meta = ModuleMeta("service")

    def register(self, clients: TransportClients, config: Any) -> None:
        clients.provide(Limiter, Limiter)


async def test_a_new_built_in_service_is_one_line_in_the_table(
    runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class of its module; injection, clients, readiness and shutdown follow from it."""
    monkeypatch.setattr("dskity.composition.built_ins.BUILT_INS", (*BUILT_INS, Service))
    runtime = await runtimes()
    assert runtime.supervisor.states()["service"].state == "started"
    assert isinstance(runtime.clients.get(Limiter), Limiter)
