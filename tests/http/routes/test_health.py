from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from dskity.bus.errors import StoreUnavailable
from dskity.modules.access.security import Guard, Token
from dskity.modules.audit.sources import TRIES
from dskity.modules.contract import Check
from dskity.modules.http import OPEN_PATHS, OpenPath, create_app
from dskity.modules.ops import OpsModule, health
from tests.house_bus import House, memory_house
from tests.http.conftest import clients_of, serving
from tests.waiting import until


@asynccontextmanager
async def probed(
    checks: dict[str, Check], open_paths: Any = OPEN_PATHS, guard: Guard | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, House]]:
    """The probes of a runtime whose door lets nobody else in, unless a guard is given."""
    async with memory_house() as house:
        app = create_app("t", guard or Guard(), open_paths=open_paths)
        OpsModule(checks).register(clients_of(house, app), {})
        async with (
            serving(app) as server,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        ):
            yield client, house


async def well() -> str | None:
    return None


async def test_live_answers_without_a_token() -> None:
    """For as long as the process can."""
    async with probed({}) as (client, _):
        response = await client.get("/health/live")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_names_each_check_and_its_reason_to_who_may_know() -> None:
    """200 when all are well, else 503; a check that comes later counts too."""
    reasons: dict[str, str | None] = {"mqtt": None}

    async def mqtt() -> str | None:
        return reasons["mqtt"]

    checks: dict[str, Check] = {"mqtt": mqtt}
    async with probed(checks, guard=Guard(loopback_open=True)) as (client, _):
        response = await client.get("/health/ready")
        assert response.status_code == 200
        assert response.json() == {
            "status": "ok",
            "checks": {"mqtt": {"status": "ok", "reason": None}},
        }
        checks["module:climate"] = well
        reasons["mqtt"] = "connection refused"
        response = await client.get("/health/ready")
        assert response.status_code == 503
        assert response.json() == {
            "status": "failed",
            "checks": {
                "mqtt": {"status": "failed", "reason": "connection refused"},
                "module:climate": {"status": "ok", "reason": None},
            },
        }


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"x-forwarded-for": "127.0.0.1"}],
    ids=["no token", "wrong token", "forwarded"],
)
async def test_ready_tells_a_stranger_which_check_fails_and_nothing_else(
    headers: dict[str, str],
) -> None:
    """A reason may quote an exception, and that a password; what is well is nobody's business."""

    async def database() -> str | None:
        raise StoreUnavailable("cannot connect to postgresql://me:hush@box")

    guard = Guard([Token.of("operator", "o" * 32, admin=True)])
    checks: dict[str, Check] = {"module:climate": database, "module:vents": well}
    async with probed(checks, guard=guard) as (client, _):
        response = await client.get("/health/ready", headers=headers)
        assert response.status_code == 503
        assert response.json() == {
            "status": "failed",
            "checks": {"module:climate": {"status": "failed"}},
        }
        known = await client.get("/health/ready", headers={"authorization": f"Bearer {'o' * 32}"})
        assert known.json()["checks"]["module:climate"]["reason"].endswith("me:hush@box")
        del checks["module:climate"]
        response = await client.get("/health/ready", headers=headers)
        assert response.json() == {"status": "ok", "checks": {}}


async def test_ready_is_no_place_to_guess_tokens() -> None:
    """After ten wrong ones from an address it looks at none from there, and makes nobody wait."""
    guard = Guard([Token.of("operator", "o" * 32, admin=True)])
    async with probed({"a": well}, guard=guard) as (client, _):
        for number in range(TRIES):
            wrong = {"authorization": f"Bearer {number}"}
            assert (await client.get("/health/ready", headers=wrong)).json()["checks"] == {}
        right = {"authorization": f"Bearer {'o' * 32}"}
        assert (await client.get("/health/ready", headers=right)).json()["checks"] == {}
        assert guard.access.counters.wrong_tokens == TRIES


async def test_a_check_that_fails_or_hangs_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never breaks the probe, and what it raises stays inside unless it is ours."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 0.05)

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    async def breaks() -> str | None:
        raise RuntimeError("a secret")

    async def fails() -> str | None:
        raise StoreUnavailable("redis is away")

    reasons = await health.ask({"a": hangs, "b": breaks, "c": fails, "d": well})
    assert reasons == {
        "a": "no answer within 0.05 s",
        "b": "the check failed with RuntimeError",
        "c": "redis is away",
        "d": None,
    }


async def test_metrics_follow_the_token_unless_they_are_opened() -> None:
    """Prometheus' text format; counters grow with what the bus does."""
    async with probed({}) as (client, _):
        assert (await client.get("/metrics")).status_code == 401
    async with probed({}, (*OPEN_PATHS, OpenPath("/metrics"))) as (client, house):
        await house.bus.publish("a", b"x")
        response = await client.get("/metrics")
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = response.text.splitlines()
        assert "# TYPE dskity_messages_published_total counter" in lines
        assert "dskity_messages_published_total 1" in lines
        assert "dskity_broker_connected 1" in lines
        assert "dskity_handler_threads 0" in lines
        assert "dskity_handler_threads_overdue 0" in lines
        house.broker.stop()
        await until(lambda: not house.bus.connected, "the loss of the connection")
        assert "dskity_broker_connected 0" in (await client.get("/metrics")).text
