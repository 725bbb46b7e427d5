"""`dskity init`: a new project that runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dskity.cli.options import Json
from dskity.process.terminal import print_json

Name = Annotated[str, typer.Argument(help="Name of the project and of its module.")]


def init(name: Name, as_json: Json = False) -> None:
    """Create a directory with a small project: settings, a module with a handler, its test."""
    from dskity.cli.scaffold import create_project

    folder = Path(name)
    files = create_project(folder, name)
    if as_json:
        print_json({"project": name, "files": [str(path) for path in files]})
        return
    for path in files:
        typer.echo(f"  {path}")
    typer.echo(f"Next: cd {shlex.quote(name)} && dskity")
