"""The show: the stage, each check in turn, the summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from dskity.config import DSkitySettings
from dskity.demo import doors, lifecycle, telemetry
from dskity.demo.finding import CheckFailed, Finding, Result
from dskity.demo.stage import Stage, set_up
from dskity.demo.summary import fields, print_table
from dskity.process.logs import configure
from dskity.process.terminal import print_json

Check: TypeAlias = Callable[[Stage], Awaitable[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (*telemetry.CHECKS, *doors.CHECKS, *lifecycle.CHECKS)


def main(settings: DSkitySettings, *, json: bool = False) -> int:
    """Run the demo and print its summary; 0 when every check holds, else 1."""
    debugging = settings.logging.level == "debug"
    # One module is broken on purpose: what the log would say of it is a check's finding.
    configure("debug" if debugging else "critical", settings.logging.format)
    about, results = asyncio.run(perform(settings))
    passed = all(result.passed for result in results)
    if json:
        print_json({"ok": passed, **about, "checks": [fields(result) for result in results]})
    else:
        title = "{engine}, {protocol}: ready in {ready_seconds} s".format(**about)
        print_table(title, results)
    return 0 if passed else 1


async def perform(settings: DSkitySettings) -> tuple[dict[str, Any], list[Result]]:
    """What it ran on, and the result of each check, in order."""
    began = time.perf_counter()
    async with set_up(settings) as stage:
        core = stage.runtime.core
        about = {
            "engine": core.engine.name,
            "protocol": core.bus.capabilities.protocol,
            "ready_seconds": round(stage.ready_seconds, 3),
        }
        results = [await _result(name, check, stage) for name, check in CHECKS]
    about["seconds"] = round(time.perf_counter() - began, 3)
    return about, results


async def _result(name: str, check: Check, stage: Stage) -> Result:
    try:
        return Result(name, await check(stage))
    except CheckFailed as failure:
        return Result(name, None, str(failure))
    except Exception as error:  # noqa: BLE001  # however it fails, the others are still shown
        return Result(name, None, f"{type(error).__name__}: {error}")
