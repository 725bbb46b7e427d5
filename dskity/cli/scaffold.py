"""The files of a new project: a module with a typed handler, its settings, and its test."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from dskity.bus.errors import Conflict, InvalidInput

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")

_SETTINGS = """\
# Settings of this project. `dskity validate` checks them.
name: $title
modules_search_paths: [modules]

modules:
  $package:
    enabled: true
    additional_settings:
      warm_above: 28.0
"""

_MODULE = '''\
"""Opens the vent of a device that reports a warm reading."""

from typing import Any

from pydantic import BaseModel

from dskity.bus.bus import Bus
from dskity.handlers.declare import on
from dskity.modules.contract import Module, ModuleMeta, TransportClients


class Reading(BaseModel):
    celsius: float


class Limits(BaseModel):
    warm_above: float = 28.0


class $cls(Module):
    meta = ModuleMeta(name="$package", base_path="/$package")

    def additional_settings_model(self) -> type[Limits]:
        return Limits

    def register(self, clients: TransportClients, config: Any) -> None:
        self.limits: Limits = config.modules.$package.additional_settings

    @on("devices/{device}/telemetry")
    async def telemetry(self, reading: Reading, device: str, bus: Bus) -> None:
        warm = reading.celsius > self.limits.warm_above
        await bus.publish(f"devices/{device}/vent", {"open": warm})
'''

_README = """\
# $title

A DSkity project with one module, `$package`: it opens the vent of a device that reports more than
`warm_above` degrees.

```sh
dskity                                                        # start
dskity sub 'devices/+/vent'                                   # in a second terminal: watch
dskity pub devices/d1/telemetry '{"celsius": 31.5}'           # in a third: be a sensor
```

`modules/$package/module.py` is the module, `settings.yaml` its settings, `tests/` its test:

```sh
dskity validate
pytest
```
"""

_TEST = '''\
"""The module at work on a bus in memory."""

import asyncio
from pathlib import Path
from typing import Any

from dskity.bus.bus import Bus
from dskity.bus.memory import MemoryBroker, MemoryTransport
from dskity.config import load_settings
from dskity.handlers import Dispatcher
from dskity.handlers.declare import declared
from dskity.modules.discovery import discover
from dskity.modules.hydrate import hydrate

PROJECT = Path(__file__).parents[1]


async def vent_after(celsius: float) -> Any:
    """What the module tells the vent of a device that reports `celsius`."""
    settings = load_settings(PROJECT / "settings.yaml")
    (found,) = discover([PROJECT / "modules"])
    hydrate(found.module, found.name, settings)
    dispatcher = Dispatcher()
    bus = Bus(MemoryTransport(MemoryBroker(), "test"), dispatcher)
    await bus.start()
    found.module.limits = settings.modules.$package.additional_settings
    for mark in declared(found.module):
        await bus.subscribe(mark.filter, mark.handler, **mark.policy)
    async with bus.stream("devices/d1/vent") as vents, asyncio.timeout(5):
        await bus.publish("devices/d1/telemetry", {"celsius": celsius})
        command = await anext(vents)
    await dispatcher.close()
    await bus.close()
    return command.json()


def test_a_warm_reading_opens_the_vent() -> None:
    assert asyncio.run(vent_after(31.5)) == {"open": True}


def test_a_cool_reading_closes_it() -> None:
    assert asyncio.run(vent_after(19.0)) == {"open": False}
'''

_FILES = {
    "settings.yaml": _SETTINGS,
    "modules/$package/module.py": _MODULE,
    "tests/test_$package.py": _TEST,
    "README.md": _README,
    ".gitignore": ".dskity/\n.env\n__pycache__/\n",
}


def create_project(folder: Path, name: str) -> list[Path]:
    """Write the project `name` into `folder`; `Conflict` where one of its files is there."""
    if NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"{name!r} cannot be a project's name: write lower-case letters, digits and single "
            "hyphens or underscores, beginning with a letter, as in greenhouse"
        )
    package = name.replace("-", "_")
    words = {
        "package": package,
        "title": package.replace("_", " ").capitalize(),
        "cls": package.title().replace("_", ""),
    }
    files = {
        folder / Template(path).substitute(words): Template(text).substitute(words)
        for path, text in _FILES.items()
    }
    there = [path for path in files if path.exists()]
    if there:
        raise Conflict(f"{', '.join(map(str, there))} would be overwritten: choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)
