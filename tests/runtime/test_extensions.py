"""Extension points: what modules provide under a name each, in a whole runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dskity import (
    InvalidSettings,
    KvStore,
    Metric,
    Metrics,
    Module,
    ModuleMeta,
    TransportClients,
    Unauthenticated,
    WebhookDelivery,
    WebhookOptions,
    WebhookPreset,
)
from dskity.composition.runtime import Runtime
from dskity.modules.kv.memory_store import MemoryStore
from dskity.testing import Runtimes, ScriptedBroker, http_client, isolated_settings
from tests.providers.stage import Offers


@pytest.fixture
async def runtimes(tmp_path: Path) -> AsyncIterator[Runtimes]:
    """Whole ones, in memory."""
    runtimes = Runtimes(isolated_settings(tmp_path), ScriptedBroker())
    yield runtimes
    await runtimes.close()


class Counts(Module):
    """Has metrics of its own."""

    meta = ModuleMeta("counts")

    def register(self, clients: TransportClients, config: Any) -> None:
        clients.provide(Metrics, lambda: self.read, name="counts")

    def read(self) -> Iterator[Metric]:
        yield Metric("counts_seen_total", "counter", "Seen.", 7)
        yield Metric("counts_open", "gauge", "Open now.", {"a": 1, "b": 2}, "door")


async def page(runtime: Runtime) -> str:
    async with http_client(runtime.app) as client:
        return (await client.get("/metrics")).text


async def test_metrics_of_a_module_are_on_the_page_while_it_runs(runtimes: Runtimes) -> None:
    runtime = await runtimes(Counts())
    lines = (await page(runtime)).splitlines()
    for line in (
        "# TYPE counts_seen_total counter",
        "counts_seen_total 7",
        'counts_open{door="a"} 1',
        'counts_open{door="b"} 2',
    ):
        assert line in lines
    await runtime.supervisor.disable("counts")
    assert "counts_" not in await page(runtime)


async def test_metrics_that_a_scraper_would_refuse_are_left_out(
    runtimes: Runtimes, caplog: pytest.LogCaptureFixture
) -> None:
    """And named in the log; so is a source that fails. The others are on the page."""

    def odd() -> Iterator[Any]:
        for name in ("counts_seen_total", "a b", "dskity_x", "fine"):
            yield Metric(name, "counter", "x", 1)
        yield Metric("textual", "counter", "x", "much")  # type: ignore[arg-type]  # a slip
        yield Metric("summed", "summary", "x", 1)  # type: ignore[arg-type]  # a slip

    def fails() -> Iterator[Metric]:
        raise ValueError("no")

    def offer(clients: TransportClients) -> None:
        clients.provide(Metrics, lambda: odd, name="odd")
        clients.provide(Metrics, lambda: fails, name="broken")

    runtime = await runtimes(Counts(), Offers("others", offer))
    lines = (await page(runtime)).splitlines()
    assert "fine 1" in lines
    assert lines.count("counts_seen_total 7") == 1
    assert not any(line.startswith(("a b", "dskity_x", "textual", "summed")) for line in lines)
    assert "dskity_broker_connected 1" in lines
    for said in (
        "metrics odd: 'counts_seen_total' is there twice",
        "metrics odd: 'a b' is no name",
        "metrics odd: 'dskity_x' begins with dskity_",
        "metrics odd: 'textual' is no number",
        "metrics odd: 'summed' is a summary: write counter or gauge",
        "metrics broken cannot be read: ValueError: no",
    ):
        assert said in caplog.text


async def test_one_name_of_an_extension_point_is_there_once(runtimes: Runtimes) -> None:
    """And it needs a name."""

    def same(clients: TransportClients) -> None:
        clients.provide(Metrics, lambda: list, name="counts")

    def nameless(clients: TransportClients) -> None:
        clients.provide(Metrics, lambda: list)

    runtime = await runtimes(Counts(), Offers("same", same), Offers("nameless", nameless))
    states = runtime.supervisor.states()
    assert (
        "Metrics 'counts' is provided twice, by module 'counts' and module 'same': pass another"
        in states["same"].reason
    )
    assert "provide(Metrics): pass name=" in states["nameless"].reason


class Shelf(Module):
    """Provides a store under its own name."""

    meta = ModuleMeta("shelf")

    def __init__(self, *, works: bool = True) -> None:
        self.store = MemoryStore()
        self.works = works

    def register(self, clients: TransportClients, config: Any) -> None:
        if self.works:
            clients.provide(KvStore, lambda: self.store, name="shelf")


async def test_a_store_of_a_module_is_the_key_value_store(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    """`kv.store` is the module's name; the module `kv` starts after it, and stops before."""
    shelf = Shelf()
    settings = isolated_settings(tmp_path, kv={"store": "shelf", "default_ttl_seconds": 0})
    runtime = await runtimes(shelf, settings=settings)
    await runtime.clients.kv.put("a", 1)
    assert await shelf.store.get("a", None) == 1
    states = runtime.supervisor.states()
    assert states["kv"].depends_on == ("shelf",)
    assert list(states).index("shelf") < list(states).index("kv")
    async with http_client(runtime.app) as client:
        assert (await client.get("/kv/a")).json()["value"] == 1


async def test_a_store_that_its_module_does_not_provide_fails_the_module_kv(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    """The error says what to write; the others run."""
    settings = isolated_settings(tmp_path, kv={"store": "shelf"})
    runtime = await runtimes(Shelf(works=False), settings=settings)
    states = runtime.supervisor.states()
    assert {name for name, unit in states.items() if unit.state == "failed"} == {"kv"}
    assert "clients.provide(KvStore, factory, name='shelf')" in states["kv"].reason


async def test_a_store_that_no_module_is_named_after_is_refused_at_the_start(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    settings = isolated_settings(tmp_path, kv={"store": "shelv"})
    with pytest.raises(InvalidSettings, match=r"kv\.store 'shelv': there are inmemory and redis"):
        await runtimes(Shelf(), settings=settings)


class Shared:
    """A preset: the header `x-key` is the secret."""

    captures: ClassVar[tuple[str, ...]] = ("room",)

    def __init__(self, options: WebhookOptions) -> None:
        self.keys = options.signing_keys()

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> WebhookDelivery:
        if headers.get("x-key", "").encode() not in self.keys:
            raise Unauthenticated("no")
        return WebhookDelivery(headers.get("x-id"), "rung", {"room": "hall"})


def bells(clients: TransportClients) -> None:
    clients.provide(WebhookPreset, lambda: Shared, name="bell")


BELL = {"front": {"preset": "bell", "secret": "s3cret", "topic": "bells/{room}/{type}"}}


async def ring(runtime: Runtime, key: str = "s3cret") -> int:
    async with http_client(runtime.app) as client:
        answer = await client.post("/webhooks/front", headers={"x-key": key}, content=b"{}")
        return answer.status_code


async def test_a_preset_of_a_module_verifies_deliveries(runtimes: Runtimes, tmp_path: Path) -> None:
    """It has the source's options, and captures of its own; a wrong secret is a 401."""
    runtime = await runtimes(
        Offers("bells", bells), settings=isolated_settings(tmp_path, webhooks=BELL)
    )
    async with runtime.bus.stream("bells/#") as messages:
        assert await ring(runtime) == 202
        assert (await anext(messages)).topic == "bells/hall/rung"
    assert await ring(runtime, "wrong") == 401


async def test_a_preset_that_nobody_provides_is_a_503_and_a_failed_check(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    """The sender tries again; other sources work. Once it is there, deliveries are taken."""
    hooks = BELL | {"any": {"preset": "none", "topic": "any"}}
    runtime = await runtimes(
        Offers("bells", bells), settings=isolated_settings(tmp_path, webhooks=hooks)
    )
    await runtime.supervisor.disable("bells")
    assert await ring(runtime) == 503
    async with http_client(runtime.app) as client:
        assert (await client.post("/webhooks/any")).status_code == 202
        answer = await client.get("/health/ready")
    assert "webhooks.front.preset: 'bell'" in answer.json()["checks"]["webhooks"]["reason"]
    await runtime.supervisor.enable("bells")
    assert await ring(runtime) == 202


async def test_options_that_a_preset_of_a_module_refuses_are_a_503(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    """The check `webhooks` names the key."""
    hooks = {"front": {"preset": "bell", "topic": "bells/{floor}", "secret": "s"}}
    runtime = await runtimes(
        Offers("bells", bells), settings=isolated_settings(tmp_path, webhooks=hooks)
    )
    assert await ring(runtime) == 503
    async with http_client(runtime.app) as client:
        reason = (await client.get("/health/ready")).json()["checks"]["webhooks"]["reason"]
    assert "webhooks.front.topic: 'bells/{floor}': {floor} is never filled" in reason
