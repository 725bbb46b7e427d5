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

from pydantic import BaseModel

from dskity import Bus, Module, ModuleConfig, ModuleMeta, TransportClients, on


class Reading(BaseModel):
    celsius: float


class Limits(BaseModel):
    warm_above: float = 28.0


class $cls(Module[Limits]):
    meta = ModuleMeta(name="$package", base_path="/$package")

    def register(self, clients: TransportClients, config: ModuleConfig[Limits]) -> None:
        self.limits = config.settings

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
pytest                        # needs pytest-asyncio, which the extra `dskity[testing]` brings
```
"""

_TEST = '''\
"""The module at work on a broker in memory, with the fixtures that DSkity brings for pytest."""

from pathlib import Path
from typing import Any

import pytest

from dskity.config import DSkitySettings
from dskity.testing import isolated_settings, record, until

MODULES = Path(__file__).parents[1] / "modules"


@pytest.fixture
def dskity_settings(tmp_path: Path) -> DSkitySettings:
    limits = {"additional_settings": {"warm_above": 28.0}}
    paths = [str(MODULES)]
    return isolated_settings(tmp_path, modules_search_paths=paths, modules={"$package": limits})


@pytest.mark.parametrize(("celsius", "opens"), [(31.5, True), (19.0, False)])
async def test_a_warm_reading_opens_the_vent(
    dskity_runtime: Any, bus: Any, celsius: float, opens: bool
) -> None:
    await dskity_runtime()
    async with record(bus, "devices/d1/vent") as vents:
        await bus.publish("devices/d1/telemetry", {"celsius": celsius})
        await until(lambda: vents, "the message to the vent")
    assert vents[0].json() == {"open": opens}
'''

_PYTEST = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""

_FILES = {
    "settings.yaml": _SETTINGS,
    "modules/$package/module.py": _MODULE,
    "tests/test_$package.py": _TEST,
    "pytest.ini": _PYTEST,
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
