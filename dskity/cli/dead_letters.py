"""`dskity dead-letters`: list, show, replay and drop what failed for good."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from dskity.cli.group import FAILED
from dskity.cli.options import Config, Json, Set, Url
from dskity.cli.reading import check_filter_argument, read_settings
from dskity.process.terminal import note, payload_text, print_json, print_line, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from dskity.config import DSkitySettings

Ids: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of dead letters, as `list` shows them.", show_default=False),
]
Id: TypeAlias = Annotated[str, typer.Argument(help="Id of the dead letter, as `list` shows it.")]
Topic: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--topic", metavar="FILTER", help="Only dead letters whose original topic matches."
    ),
]
Handler: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--handler", metavar="NAME", help="Only dead letters of one handler, or of one module."
    ),
]
All: TypeAlias = Annotated[
    bool, typer.Option("--all", help="All dead letters, or all that match --topic and --handler.")
]
Limit: TypeAlias = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=1000, help="Maximum number to list.")
]
After: TypeAlias = Annotated[
    str, typer.Option("--after", metavar="ID", help="Only dead letters after this id.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Drop without confirmation.")]
Timeout: TypeAlias = Annotated[
    float, typer.Option("--timeout", "-t", min=0.001, help="Seconds to wait for the answer.")
]

app = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True)


@app.command("list")
def list_(
    topic: Topic = None,
    handler: Handler = None,
    limit: Limit = 50,
    after: After = "",
    timeout: Timeout = 5.0,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """List the dead letters, oldest first."""
    instance = _Instance(config, assignments, url, timeout)
    answer = instance.ask("list", _filter(topic, handler) | {"limit": limit, "after": after})
    if as_json:
        print_json(answer)
        return
    letters = answer["dead_letters"]
    if letters:
        print_table(("id", "topic", "handler", "tries", "replays", "error"), _rows(letters))
    following = f"; the next: --after {answer['next']}" if answer["next"] else ""
    note(f"{len(letters)} of {_dead_letters(answer['total'])}{following}")


@app.command()
def show(
    id: Id,
    timeout: Timeout = 5.0,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Show a dead letter with its headers and its payload."""
    letter = _Instance(config, assignments, url, timeout).ask("show", {"id": id})
    if as_json:
        print_json(letter)
        return
    for name in ("id", "topic", "connection", "content_type", "size"):
        if letter[name] is not None:
            print_line(f"{name.replace('_', ' ')}: {letter[name]}")
    for name, value in letter["headers"].items():
        print_line(f"{name}: {value}")
    typer.echo(f"\n{_payload(letter)}")


@app.command()
def replay(
    ids: Ids = None,
    topic: Topic = None,
    handler: Handler = None,
    everything: All = False,
    timeout: Timeout = 60.0,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Publish dead letters again to their original topics; exit 1 if one is rejected."""
    selection = _selection(ids, topic, handler, everything=everything)
    answer = _Instance(config, assignments, url, timeout).ask("replay", selection)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{_dead_letters(answer['replayed'])} replayed")
        for refused in answer["failed"]:
            note(f"{refused['id']} stays: {refused['detail']}")
    raise typer.Exit(FAILED if answer["failed"] else 0)


@app.command()
def drop(
    ids: Ids = None,
    topic: Topic = None,
    handler: Handler = None,
    everything: All = False,
    yes: Yes = False,
    timeout: Timeout = 60.0,
    url: Url = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Delete dead letters permanently, after a confirmation."""
    selection = _selection(ids, topic, handler, everything=everything)
    instance = _Instance(config, assignments, url, timeout)
    if not yes:
        number = len(ids) if ids else instance.ask("list", selection["filter"])["total"]
        typer.confirm(f"Drop {_dead_letters(number)} for good?", abort=True, err=True)
    answer = instance.ask("drop", selection)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{_dead_letters(answer['dropped'])} dropped")


class _Instance:
    """A running instance, asked over its broker."""

    def __init__(
        self, config: Path | None, assignments: list[str] | None, url: str | None, timeout: float
    ) -> None:
        self._settings = read_settings(config, assignments, {"common.mqtt.url": url})
        self._timeout = timeout

    def ask(self, verb: str, question: dict[str, Any]) -> Any:
        """The answer's JSON."""
        return asyncio.run(_request(self._settings, verb, question, self._timeout))


async def _request(
    settings: DSkitySettings, verb: str, question: dict[str, Any], timeout: float
) -> Any:
    from dskity.client import open_bus

    async with open_bus(settings, trial=False) as bus:
        reply = await bus.request(f"{bus.root}/dead-letters/{verb}", question, timeout=timeout)
        return reply.json()


def _filter(topic: str | None, handler: str | None) -> dict[str, Any]:
    if topic is not None:
        check_filter_argument(topic)
    chosen = {"topic": topic, "handler": handler}
    return {name: value for name, value in chosen.items() if value is not None}


def _selection(
    ids: list[str] | None, topic: str | None, handler: str | None, *, everything: bool
) -> dict[str, Any]:
    chosen = _filter(topic, handler)
    if ids and (chosen or everything):
        raise typer.BadParameter("write ids, or --topic, --handler and --all", param_hint="IDS")
    if not (ids or chosen or everything):
        raise typer.BadParameter("write ids, or --topic, --handler or --all", param_hint="IDS")
    return {"ids": ids} if ids else {"filter": chosen}


def _rows(letters: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Errors have line breaks, as pydantic's; a row has none."""
    names = ("id", "topic", "handler", "attempts", "replays", "error")
    return [tuple(" ".join(str(letter[name]).split()) for name in names) for letter in letters]


def _dead_letters(number: int) -> str:
    return f"{number} dead letter" if number == 1 else f"{number} dead letters"


def _payload(letter: dict[str, Any]) -> str:
    if "payload" in letter:
        return payload_text(str(letter["payload"]).encode())
    return payload_text(base64.b64decode(letter["payload_base64"]))
