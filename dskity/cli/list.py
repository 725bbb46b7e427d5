"""`dskity list`: the modules, and the state each would start in."""

from __future__ import annotations

from dataclasses import asdict

from dskity.cli.options import Config, Json, Set
from dskity.cli.reading import read_settings
from dskity.process.terminal import note, print_json, print_table


def list_modules(config: Config = None, assignments: Set = None, as_json: Json = False) -> None:
    """List the modules of the search paths: enabled, disabled, or broken and why."""
    settings = read_settings(config, assignments, {})
    from dskity.cli.checks.survey import survey
    from dskity.notices.unknown_modules import no_modules

    rows = survey(settings).rows
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        table = [(row.name, row.state, row.source, row.reason) for row in rows]
        print_table(("module", "state", "source", "reason"), table)
    else:
        note(no_modules(settings))
