"""What comes and goes: a key, a service, a module."""

from __future__ import annotations

import time

import httpx

from dskity.demo.finding import Finding, expect
from dskity.demo.neighbour import NAME
from dskity.demo.stage import BROKEN, Stage

KEYS = 10
TTL = 0.2
SERVICES = ("kv", "registry", "commands")  # of those that every runtime has


async def key_expires(stage: Stage) -> Finding:
    """Each key's end is an event on MQTT."""
    due: dict[str, float] = {}
    for number in range(KEYS):
        key = f"demo/{number}"
        due[key] = time.time() + TTL
        response = await stage.http.put(f"/kv/{key}", json={"value": number, "ttl_seconds": TTL})
        expect(response.status_code == httpx.codes.OK, response.text)
    topic = f"{stage.root}/kv/expired/demo/"
    heard = await stage.sightings.wait("watcher", topic, count=KEYS)
    latencies = [sighting.at - due[sighting.json()["data"]["key"]] for sighting in heard]
    return Finding(len(heard), latencies, "from the end of its time to the event")


async def service_lost(stage: Stage) -> Finding:
    """A runtime is killed, and another one says that its services are down."""
    topics = [f"{stage.root}/registry/{service}/{NAME}" for service in SERVICES]
    for topic in topics:
        await stage.sightings.wait("watcher", f"{topic}/up")
    stage.neighbour.kill()
    killed = time.time()
    down = [(await stage.sightings.wait("watcher", f"{topic}/down"))[0] for topic in topics]
    causes = {sighting.json()["data"]["cause"] for sighting in down}
    expect(causes == {"lost"}, f"the cause is {causes}")
    latencies = [sighting.at - killed for sighting in down]
    return Finding(len(down), latencies, "from kill -9 to the event, 2 s of grace in it")


async def module_fails_alone(stage: Stage) -> Finding:
    """It is named in an event and in readiness, and all others go on."""
    supervisor = stage.runtime.supervisor
    await supervisor.enable(BROKEN)
    (event, *_) = await stage.sightings.wait("watcher", f"{stage.root}/modules/{BROKEN}/failed")
    ready = await stage.http.get("/health/ready")
    failed = [name for name, one in ready.json()["checks"].items() if one["status"] != "ok"]
    expect(failed == [f"module:{BROKEN}"], f"not ready: {failed}")
    began = time.time()
    await stage.sightings.wait("watcher", "greenhouse/north/state", lambda s: s.at > began)
    running = [status for status in supervisor.states().values() if status.state == "started"]
    reason = event.json()["data"]["reason"]
    return Finding(1, note=f"{len(running)} others run; {reason}")


CHECKS = (
    ("key expires with an event", key_expires),
    ("killed service goes down", service_lost),
    ("module fails alone", module_fails_alone),
)
