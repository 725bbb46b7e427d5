"""`dskity demo`: the main job, for a few seconds, against assertions."""

from __future__ import annotations

import typer

from dskity.cli.options import Config, Json, Set
from dskity.cli.reading import read_settings


def demo(config: Config = None, assignments: Set = None, as_json: Json = False) -> None:
    """Run a greenhouse with simulated devices, check what happens, and print a table."""
    settings = read_settings(config, assignments, {})
    from dskity.demo import main

    raise typer.Exit(main(settings, json=as_json))
