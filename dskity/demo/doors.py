"""HTTP, gRPC and webhooks: in by an API, and out to a device."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import httpx

from dskity.demo.finding import Finding, expect
from dskity.demo.github import post_release
from dskity.demo.stage import HOST, Stage
from dskity.modules.grpc.v1 import dskity_pb2, dskity_pb2_grpc

ROUNDS = 20
PANEL = "greenhouse/panel"
HOOK = "hooks/github/release"


async def request(stage: Stage) -> Finding:
    """`POST /requests/…` is answered by a handler."""
    latencies = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        response = await stage.http.post("/requests/greenhouse/north/report")
        latencies.append(time.perf_counter() - began)
        expect(response.status_code == httpx.codes.OK and response.json()["celsius"], response.text)
    return Finding(ROUNDS, latencies, "POST /requests/greenhouse/north/report")


async def http_publish(stage: Stage) -> Finding:
    """`POST /topics/…` reaches a device."""

    async def publish(text: str) -> None:
        response = await stage.http.post(f"/topics/{PANEL}", content=text)
        expect(response.status_code == httpx.codes.ACCEPTED, response.text)

    return Finding(ROUNDS, await _reach_the_panel(stage, "HTTP", publish), f"POST /topics/{PANEL}")


async def grpc_publish(stage: Stage) -> Finding:
    """`Bus.Publish` reaches a device."""
    assert stage.runtime.grpc is not None  # noqa: S101  # the settings open it
    channel = stage.runtime.clients.grpc.channel(f"{HOST}:{stage.runtime.grpc.port}")
    bus = dskity_pb2_grpc.BusStub(channel)

    async def publish(text: str) -> None:
        receipt = await bus.Publish(dskity_pb2.PublishRequest(topic=PANEL, payload=text.encode()))
        expect(receipt.accepted == dskity_pb2.ACCEPTED_BROKER, str(receipt))

    return Finding(ROUNDS, await _reach_the_panel(stage, "gRPC", publish), "dskity.v1.Bus/Publish")


async def _reach_the_panel(
    stage: Stage, door: str, publish: Callable[[str], Awaitable[None]]
) -> list[float]:
    sent: dict[str, float] = {}
    for number in range(ROUNDS):
        text = f"{door} {number}"
        sent[text] = time.time()
        await publish(text)
    heard = await stage.sightings.wait("panel", PANEL, lambda s: s.payload in sent, count=ROUNDS)
    return [sighting.at - sent[sighting.payload] for sighting in heard]


async def command(stage: Stage) -> Finding:
    """`POST /commands/…?wait=` has the device's answer."""
    latencies = []
    for word in ("open", "close") * (ROUNDS // 2):
        began = time.perf_counter()
        response = await stage.http.post(f"/commands/vent-1/{word}?wait=2")
        latencies.append(time.perf_counter() - began)
        expect(response.status_code == httpx.codes.OK, response.text)
        execution = response.json()
        done = (execution["state"], execution["result"]) == ("succeeded", {"vent": word})
        expect(done, f"{word}: {execution}")
    return Finding(ROUNDS, latencies, "POST /commands/vent-1/open?wait=2")


async def webhook(stage: Stage) -> Finding:
    """A signed one arrives on the bus."""
    secret = stage.runtime.settings.webhooks["github"].secret[0].get_secret_value()
    sent: dict[str, float] = {}
    for number in range(ROUNDS):
        tag = f"v1.{number}"
        sent[tag] = time.time()
        status = await post_release(stage.http, tag, secret)
        expect(status == httpx.codes.ACCEPTED, f"a signed webhook was answered with {status}")
    heard = await stage.sightings.wait("watcher", HOOK, count=ROUNDS)
    latencies = [s.at - sent[s.json()["release"]["tag_name"]] for s in heard]
    return Finding(len(heard), latencies, f"POST /webhooks/github to {HOOK}")


async def forged_webhook(stage: Stage) -> Finding:
    """Anybody else's is refused, and goes nowhere."""
    status = await post_release(stage.http, "forged", "a guess")
    expect(status == httpx.codes.UNAUTHORIZED, f"a forged webhook was answered with {status}")
    heard = [s for s in stage.sightings.heard("watcher", HOOK) if "forged" in s.payload]
    expect(not heard, "a forged webhook came onto the bus")
    return Finding(1, note="401, and nothing on the bus")


CHECKS = (
    ("request answered", request),
    ("HTTP publish reaches a device", http_publish),
    ("gRPC publish reaches a device", grpc_publish),
    ("command answered by a device", command),
    ("signed webhook on the bus", webhook),
    ("forged webhook refused", forged_webhook),
)
