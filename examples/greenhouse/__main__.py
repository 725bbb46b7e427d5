"""`python -m examples.greenhouse`: the greenhouse with its devices, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from pathlib import Path
from typing import Annotated, Literal

import httpx
import typer
from rich.console import Console

from dskity import DSkityError
from dskity.bootstrap import start
from dskity.cli.options import Set
from dskity.cli.reading import pairs
from dskity.composition.runtime import Runtime
from dskity.config import DSkitySettings, load_settings
from dskity.demo.fleet import fleet
from dskity.demo.github import post_release
from dskity.demo.sightings import Sighting
from dskity.notices.banner import banner
from dskity.process.logs import configure
from dskity.version import VERSION
from examples.greenhouse.narration import WATCH, cleared, narrate

HERE = Path(__file__).parent
RELEASE_EVERY = 15.0  # seconds between the webhooks of our GitHub
FREE_PORTS = "--set port=0 --set broker.port=0 --set grpc.port=0"

console = Console(highlight=False)

Broker = Annotated[
    Literal["auto", "mosquitto", "builtin", "amqtt"],
    typer.Option("--broker", help="The broker to run."),
]
Seconds = Annotated[float | None, typer.Option("--seconds", help="End after so many seconds.")]
Once = Annotated[bool, typer.Option("--once", help="End when an alarm has come and gone.")]


def main(
    broker: Broker = "auto", seconds: Seconds = None, once: Once = False, assignments: Set = None
) -> None:
    """Run the greenhouse and its devices, and tell what happens."""
    try:
        settings = load_settings(
            HERE / "settings.yaml",
            {
                "broker.engine": broker,
                "modules_search_paths": [str(HERE / "modules")],
                "logging.level": "error",
                **pairs(assignments, "--set"),
            },
        )
        configure(settings.logging.level, settings.logging.format)
        asyncio.run(run(settings, seconds, once=once))
    except DSkityError as error:
        console.print(f"error: {error}", style="red", markup=False)
        console.print(f"{FREE_PORTS} takes ports that are free.")
        raise typer.Exit(1) from error


async def run(settings: DSkitySettings, seconds: float | None, *, once: bool) -> None:
    """Until a signal comes, the time is over, or once is enough."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    def tell(seen: Sighting) -> None:
        if (line := narrate(seen)) is not None:
            console.print(line, soft_wrap=True)
        if once and cleared(seen):
            over.set()

    async with await start(settings) as runtime:
        introduce(runtime)
        mqtt = runtime.bus.capabilities.protocol.removeprefix("MQTT ")
        async with (
            fleet(runtime.core.engine.url, mqtt, tell, watch=WATCH),
            asyncio.TaskGroup() as group,
        ):
            github = group.create_task(releases(runtime), name="github")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await over.wait()
            github.cancel()
        console.print("draining, and good-bye")


async def releases(runtime: Runtime) -> None:
    """A GitHub elsewhere, which has a release to tell of from time to time."""
    secret = runtime.settings.webhooks["github"].secret[0].get_secret_value()
    async with httpx.AsyncClient(base_url=door(runtime)) as http:
        for number in itertools.count(1):
            await asyncio.sleep(RELEASE_EVERY)
            with contextlib.suppress(httpx.HTTPError):  # as GitHub, we do not mind
                await post_release(http, f"v1.{number}", secret)


def introduce(runtime: Runtime) -> None:
    """What runs, and what to try."""
    for line in banner(runtime, VERSION, None):
        console.print(line, style="dim", markup=False, soft_wrap=True)
    http, port = door(runtime), runtime.core.engine.url.rpartition(":")[2]
    console.print("\nTry this in another terminal:", style="bold")
    for line in (
        f"curl {http}/climate",
        f"curl -d 'good morning' {http}/topics/greenhouse/panel",
        f"curl -X POST {http}/requests/greenhouse/north/report",
        f"curl -X POST '{http}/commands/vent-1/open?wait=2'",
        f"""curl -X PUT -d '{{"value": "tea", "ttl_seconds": 5}}' {http}/kv/kettle""",
        f"curl {http}/health/ready",
        f"mosquitto_sub -p {port} -v -t 'greenhouse/#' -t 'dskity/#'",
    ):
        console.print(f"  {line}", style="cyan", markup=False, soft_wrap=True)
    console.print("Ctrl-C ends it.\n", style="bold")


def door(runtime: Runtime) -> str:
    """The address of the HTTP API, seen from this machine."""
    port = runtime.settings.port if runtime.http is None else runtime.http.port
    return f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    typer.run(main)
