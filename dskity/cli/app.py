"""The command with all its verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from dskity.cli.dead_letters import app as dead_letters
from dskity.cli.demo import demo
from dskity.cli.doctor import doctor
from dskity.cli.group import Verbs
from dskity.cli.init import init
from dskity.cli.list import list_modules
from dskity.cli.pub import pub
from dskity.cli.request import request
from dskity.cli.run import run
from dskity.cli.sub import sub
from dskity.cli.validate import validate

app = typer.Typer(
    cls=Verbs,
    name="dskity",
    help="An event-driven MQTT message-bus runtime. Without a command: run.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from dskity.version import VERSION

        typer.echo(f"dskity {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; allowed anywhere on the command line.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take what stands in front of the verb; `Verbs` and the callback above act on it."""
    del debug, version


_VERBS: dict[str, Callable[..., None]] = {
    "run": run,
    "demo": demo,
    "init": init,
    "list": list_modules,
    "validate": validate,
    "pub": pub,
    "sub": sub,
    "request": request,
    "doctor": doctor,
}
for name, verb in _VERBS.items():
    app.command(name)(verb)
app.add_typer(dead_letters, name="dead-letters")
