"""Wrong tokens are counted, told of once a minute a source, and answered late."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import grpc
import httpx
import pytest

from dskity.bootstrap import bootstrap
from dskity.bus.base.addresses import source_of
from dskity.bus.base.clock import VirtualClock
from dskity.bus.errors import Unauthenticated
from dskity.modules.access.security import Guard, Token
from dskity.modules.audit.access import Access
from dskity.modules.audit.call import Call
from dskity.modules.audit.sources import FORGOTTEN_AFTER, MOST_SOURCES, Sources
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from dskity.modules.grpc.v1.dskity_pb2_grpc import BusStub
from dskity.modules.ops import OpsModule
from dskity.testing import http_client
from tests.grpc.doors import open_door as open_grpc
from tests.http.conftest import clients_of, open_door
from tests.http.test_guard import bearer
from tests.runtime.house import settings_in
from tests.waiting import until

TOKEN = "o" * 32
WRONG = "a-secret-that-was-mistyped"
CALL = Call("GET", "/kv", "192.0.2.7", "r1")


def guard_on(clock: VirtualClock) -> Guard:
    """One token, and a clock of the test's."""
    return Guard([Token.of("operator", TOKEN, admin=True)], access=Access(clock=clock))


def wrong() -> Unauthenticated:
    return Unauthenticated("this token is unknown", wrong_token=True)


def test_each_wrong_token_in_a_row_doubles_the_delay_of_its_source() -> None:
    """From 0.1 s to 5 s; another source starts at the beginning, and so does a patient one."""
    sources = Sources()
    delays = [sources.failed("192.0.2.7", 0.0) for _ in range(8)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert sources.failed("192.0.2.8", 0.0) == 0.1
    assert sources.failed("192.0.2.7", FORGOTTEN_AFTER + 1) == 0.1
    assert [sources.failed("192.0.2.9", 0.0) for _ in range(2000)][-1] == 5.0


def test_a_source_is_an_address_or_what_one_host_has_of_ipv6() -> None:
    """A /64; a mapped IPv4 address is that one; what is no address is itself."""
    assert source_of("192.0.2.7") == source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("2001:db8::1") == source_of("2001:db8::2:3") == "2001:db8::/64"
    assert source_of("pump.local") == "pump.local"
    sources = Sources()
    sources.failed(None, 0.0)
    assert sources.failures("unknown", 0.0) == 1


def test_the_memory_of_sources_is_bounded() -> None:
    """Whoever was silent longest is forgotten."""
    sources = Sources()
    for number in range(MOST_SOURCES + 100):
        sources.failed(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 0.0)
    assert len(sources) == MOST_SOURCES
    assert sources.failures("10.0.0.0", 0.0) == 0
    assert sources.failures("10.0.0.255", 0.0) == 1


async def test_a_wrong_token_is_told_of_once_a_minute_a_source_and_never_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With how many there were since; a call without a token does not count as one."""
    clock = VirtualClock()
    access = Access(clock=clock)
    with caplog.at_level(logging.WARNING):
        access.note_refused(Unauthenticated("none"), CALL)
        for _ in range(3):
            access.note_refused(wrong(), CALL)
        access.note_refused(wrong(), Call("GET", "/a\nb", "192.0.2.8"))
        await clock.advance(61)
        access.note_refused(wrong(), CALL)
    since = "(refused from there since the last such line: %d)"
    assert [record.getMessage() for record in caplog.records] == [
        f"wrong token from 192.0.2.7 for GET /kv {since % 1}",
        f"wrong token from 192.0.2.8 for GET /a\\x0ab {since % 1}",
        f"wrong token from 192.0.2.7 for GET /kv {since % 3}",
    ]
    assert (access.counters.wrong_tokens, access.counters.unauthenticated) == (5, 1)


async def test_many_sources_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """At most a line a second, over all of them."""
    access = Access(clock=VirtualClock())
    with caplog.at_level(logging.WARNING):
        for number in range(200):
            access.note_refused(wrong(), Call("GET", "/", f"10.0.0.{number}"))
    assert len(caplog.records) == 60


async def test_over_http_a_wrong_token_waits_and_a_good_one_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also while wrong ones from the same address wait."""
    clock = VirtualClock()
    guard = guard_on(clock)
    async with open_door(guard) as door:
        attempts = [
            asyncio.create_task(door.client.get("/kv", headers=bearer(WRONG))) for _ in range(3)
        ]
        await until(lambda: guard.access._waiting == 3, "the wrong ones wait")
        assert (await door.client.get("/kv", headers=bearer(TOKEN))).status_code == 200
        assert not any(attempt.done() for attempt in attempts)
        await clock.advance(0.41)
        answers: list[httpx.Response] = await asyncio.gather(*attempts)
        assert [answer.status_code for answer in answers] == [401] * 3
        assert (await door.client.get("/kv")).status_code == 401  # without a token: at once
    assert WRONG not in caplog.text
    assert guard.access.counters.wrong_tokens == 3


async def test_over_grpc_a_wrong_token_waits_and_a_good_one_does_not() -> None:
    """The same, and by the same counters."""
    clock = VirtualClock()
    guard = guard_on(clock)
    async with open_grpc(guard) as door:

        async def publish(token: str) -> grpc.StatusCode:
            call = BusStub(door.channel).Publish(
                pb.PublishRequest(topic="a"), metadata=(("authorization", f"Bearer {token}"),)
            )
            code: grpc.StatusCode = await call.code()
            return code

        attempt = asyncio.create_task(publish(WRONG))
        await until(lambda: guard.access._waiting == 1, "the wrong one waits")
        assert await publish(TOKEN) is grpc.StatusCode.OK
        assert not attempt.done()
        await clock.advance(0.11)
        assert await attempt is grpc.StatusCode.UNAUTHENTICATED


async def test_an_app_that_another_server_serves_has_the_guard_of_its_runtime(
    tmp_path: Path,
) -> None:
    """One token file, one audit log, and counters that its metrics show."""
    settings = settings_in(tmp_path, broker={"engine": "builtin"})
    app = await asyncio.to_thread(bootstrap, settings=settings)
    async with app.router.lifespan_context(app), http_client(app) as client:
        assert (await client.get("/kv", headers=bearer(WRONG))).status_code == 401
        lines = (await client.get("/metrics")).text.splitlines()
    assert "dskity_wrong_tokens_total 1" in lines


async def test_answers_that_wait_are_bounded() -> None:
    """What is above the bound is answered at once, and waits for nobody's place."""
    access = Access(clock=VirtualClock())
    waiting = [asyncio.create_task(access.refused(wrong(), CALL)) for _ in range(256)]
    await until(lambda: access._waiting == 256, "all wait")
    async with asyncio.timeout(5):
        await access.refused(wrong(), CALL)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert access._waiting == 0


async def test_what_the_doors_refuse_is_in_the_metrics() -> None:
    """Wrong tokens, calls without one, denied ones and privileged ones."""
    limited = Token.of("sensor", "s" * 32, publish=["sensors/#"])
    guard = Guard(
        [Token.of("operator", TOKEN, admin=True), limited], access=Access(clock=VirtualClock())
    )
    async with open_door(guard) as door:
        OpsModule({}, access=guard.access.counters).register(clients_of(door.house, door.app), {})
        guard.access.note_refused(wrong(), CALL)
        await door.client.get("/kv")
        await door.client.get("/kv", headers=bearer("s" * 32))
        await door.client.put("/kv/a", json={"value": 1}, headers=bearer(TOKEN))
        await door.client.get("/kv/a", headers=bearer(TOKEN))
        lines = (await door.client.get("/metrics", headers=bearer(TOKEN))).text.splitlines()
    for name in ("wrong_tokens", "calls_unauthenticated", "calls_denied", "calls_privileged"):
        assert f"dskity_{name}_total 1" in lines, name
