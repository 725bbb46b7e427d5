"""Modules written to real files, and a runtime's worth of clients over a broker in memory."""

from __future__ import annotations

import asyncio
import logging
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI

from dskity.config import DSkitySettings
from dskity.modules.clients.events_client import BusEvents
from dskity.modules.clients.mqtt_client import BusMqttClient
from dskity.modules.clients.tasks import Tasks
from dskity.modules.contract import TransportClients
from dskity.modules.lifecycle.discovery import discover
from dskity.modules.lifecycle.lifecycle import HookTimeouts
from dskity.modules.lifecycle.supervisor import Supervisor
from tests.given import given
from tests.house_bus import House, memory_house

NOT_USED = cast("Any", None)
QUICK = HookTimeouts(startup=0.2, shutdown=0.2, drain=0.2)


@dataclass(frozen=True)
class Folder:
    """A search path; `write` puts a dedented source file into it."""

    path: Path

    def write(self, file: str, source: str) -> Path:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(source))
        return target


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty search path."""
    path = tmp_path / "modules"
    path.mkdir()
    return Folder(path)


@dataclass
class Stage:
    """What a supervisor needs, and the supervisor."""

    house: House
    app: FastAPI
    clients: TransportClients
    events: BusEvents
    supervisor: Supervisor


@asynccontextmanager
async def clients_of(house: House) -> AsyncIterator[tuple[TransportClients, BusEvents]]:
    """Clients that are not a module's; the rooms that no module test enters are left out."""
    tasks = Tasks(logging.getLogger("tests"))
    events = BusEvents(house.bus, tasks)
    providers = given()
    house.dispatcher.inject(providers.registry)
    yield (
        TransportClients(
            bus=house.bus,
            mqtt=BusMqttClient(house.bus, tasks),
            http=FastAPI(),
            grpc=NOT_USED,
            events=events,
            logger=logging.getLogger("dskity"),
            providers=providers,
        ),
        events,
    )
    await tasks.close()
    await events.publisher.close()


@asynccontextmanager
async def staged(
    *search_paths: Path,
    builtins: tuple[Any, ...] = (),
    settings: dict[str, Any] | None = None,
    strict: bool = False,
    broker_runs: bool = True,
) -> AsyncIterator[Stage]:
    """A supervisor of what is found in `search_paths`; not started, but stopped at the end."""
    async with memory_house(publish_timeout=0.05) as house, clients_of(house) as (clients, events):
        if not broker_runs:
            house.broker.stop()
        found = await asyncio.to_thread(discover, search_paths)
        supervisor = Supervisor(
            clients,
            DSkitySettings.isolated(modules=settings or {}),
            found,
            events=events,
            builtins=builtins,
            strict=strict,
            limits=QUICK,
        )
        stage = Stage(house, clients.http, clients, events, supervisor)
        try:
            yield stage
        finally:
            await supervisor.stop()
