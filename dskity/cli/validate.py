"""`dskity validate`: everything that can be checked without starting."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dskity.bus.errors import InvalidSettings
from dskity.cli.group import FAILED
from dskity.cli.options import Config, Json, Set
from dskity.cli.reading import read_settings
from dskity.process.terminal import note, print_json

if TYPE_CHECKING:
    from dskity.config import DSkitySettings

Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")]


@dataclass(slots=True)
class Findings:
    """What a check has found."""

    modules: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def validate(
    config: Config = None, assignments: Set = None, strict: Strict = False, as_json: Json = False
) -> None:
    """Check the settings, find and import the modules, and bind their handlers.

    Exit 1 on any error. Routes that `register` adds are known only at a start.
    """
    findings = _check(config, assignments)
    valid = not findings.faults and not (strict and findings.warnings)
    if as_json:
        print_json({"valid": valid, **asdict(findings)})
    else:
        _print(findings, valid=valid)
    raise typer.Exit(0 if valid else FAILED)


def _check(config: Path | None, assignments: list[str] | None) -> Findings:
    findings = Findings()
    try:
        settings = read_settings(config, assignments, {})
        from dskity.cli.checks.survey import survey
        from dskity.notices.unknown_modules import no_modules, unknown_modules

        seen = survey(settings)
    except InvalidSettings as error:
        findings.faults.append(str(error))
        return findings
    rows = seen.rows
    findings.modules = [asdict(row) for row in rows]
    findings.faults = [f"module {r.name}: {r.reason}" for r in rows if r.state == "broken"]
    findings.faults += _store_faults(settings, {row.name for row in rows})
    findings.faults += _webhook_faults(settings)
    findings.warnings = unknown_modules(settings, [row.name for row in rows]) + seen.warnings
    if not rows:
        findings.warnings.append(no_modules(settings))
    return findings


def _store_faults(settings: DSkitySettings, modules: Collection[str]) -> Iterator[str]:
    from dskity.config.nearest import fix
    from dskity.modules.kv.module import STORES

    store, known = settings.kv.store, {*STORES, *modules}
    if store not in known:
        yield f"kv.store {store!r}: no such store, and no module of that name: {fix(store, known)}"


def _webhook_faults(settings: DSkitySettings) -> Iterator[str]:
    if settings.webhooks:
        from dskity.composition.built_ins import webhook_options
        from dskity.modules.webhooks.sources import Sources

        for name, source in settings.webhooks.items():
            try:
                Sources({name: webhook_options(source)})
            except InvalidSettings as error:
                yield str(error)


def _print(findings: Findings, *, valid: bool) -> None:
    for kind, lines in (("fault", findings.faults), ("warning", findings.warnings)):
        for line in lines:
            note(f"{kind}: {line}")
    counts = (
        _count(len(findings.modules), "module"),
        _count(len(findings.faults), "fault"),
        _count(len(findings.warnings), "warning"),
    )
    typer.echo(f"{'valid' if valid else 'not valid'}: {', '.join(counts)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
