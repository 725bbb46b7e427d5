"""`dskity doctor`: what the broker really does, and which declared guarantees hold on it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from dskity.bus.base.threads import blocking
from dskity.cli.group import FAILED
from dskity.cli.options import Config, Json, Set, Url
from dskity.cli.reading import read_settings
from dskity.process.terminal import note, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dskity.broker.probe.findings import Examination
    from dskity.cli.checks.promises import Promise
    from dskity.config import DSkitySettings


def doctor(
    url: Url = None, config: Config = None, assignments: Set = None, as_json: Json = False
) -> None:
    """Examine the broker, and say which guarantees of the routes hold on it; exit 1 if not all."""
    settings = read_settings(config, assignments, {"common.mqtt.url": url})
    from dskity.cli.checks.promises import connections_of, promises
    from dskity.composition.discovering import discovered

    found = discovered(settings)
    broken = {entry.name: str(entry.error) for entry in found if entry.error is not None}
    examinations = asyncio.run(_examine(settings, connections_of(found)))
    rows = list(promises(found, examinations))
    hold = not broken and all(row.verdict == "yes" for row in rows)
    if as_json:
        print_json(_as_json(examinations, rows, broken) | {"hold": hold})
    else:
        _print(examinations, rows, broken)
    raise typer.Exit(0 if hold else FAILED)


async def _examine(settings: DSkitySettings, names: Sequence[str]) -> dict[str, Examination]:
    """Each connection's broker; names that the settings do not have are left out."""
    from dskity.broker.engines.rumqttd import ManagedRumqttd
    from dskity.broker.limits import NO_LIMITS
    from dskity.client import broker_url
    from dskity.composition.mqtt_transport import connection, make_transport
    from dskity.config.sections.connections import DEFAULT

    mqtt = settings.common.mqtt
    places = {name: (entry, entry.url) for name, entry in settings.mqtt.items() if name in names}
    own = await blocking(broker_url, settings)
    ours = mqtt.url is None and settings.broker.engine == "rumqttd"
    # What no examination brings to light.
    limits = {DEFAULT: ManagedRumqttd.limits if ours else NO_LIMITS}
    client_id = f"dskity-doctor-{secrets.token_hex(6)}"
    return {
        name: await make_transport(
            connection(
                entry,
                url=url,
                client_id=client_id,
                clean_start=True,
                limits=limits.get(name, NO_LIMITS),
            )
        ).examine()
        for name, (entry, url) in {DEFAULT: (mqtt, own), **places}.items()
    }


def _as_json(
    examinations: Mapping[str, Examination], rows: Sequence[Promise], broken: Mapping[str, str]
) -> dict[str, Any]:
    from dskity.cli.checks.meanings import meaning

    return {
        "brokers": {
            name: {
                "url": broker.url,
                "findings": [asdict(each) | {"means": meaning(each)} for each in broker.findings],
            }
            for name, broker in examinations.items()
        },
        "guarantees": [asdict(row) for row in rows],
        "broken_modules": broken,
    }


def _print(
    examinations: Mapping[str, Examination], rows: Sequence[Promise], broken: Mapping[str, str]
) -> None:
    from dskity.cli.checks.meanings import meaning, question

    for name, broker in examinations.items():
        typer.echo(f"broker {name}: {broker.url}\n")
        findings = [
            (question(each.name), _shown(each.verdict, each.detail), meaning(each))
            for each in broker.findings
        ]
        print_table(("what", "verdict", "what it means for your routes"), findings)
        typer.echo("")
    if rows:
        promises = [
            (row.module, row.filter, row.connection, row.guarantee, _shown(row.verdict, row.reason))
            for row in rows
        ]
        print_table(("module", "filter", "connection", "declared", "holds"), promises)
    else:
        note("no module declares a route with @on")
    for module, reason in broken.items():
        note(f"module {module} is broken, its routes are not known: {reason}")


def _shown(verdict: str, reason: str) -> str:
    return f"{verdict}: {reason}" if reason else verdict
