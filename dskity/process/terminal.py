"""What the verbs print: results to stdout as text or JSON, everything else to stderr."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Any

import typer

from dskity.bus.base.text import escape, escape_json, escape_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dskity.bus.message import Message


def print_json(value: Any) -> None:
    """One line of JSON."""
    typer.echo(_json_line(value))


def print_line(text: str) -> None:
    """One line, whatever is in the text: what a stranger wrote neither steers the terminal nor
    forges another line."""
    typer.echo(escape(text))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns. On a terminal they are folded to its width, but for the first, which names the row;
    in a pipe each row is one line, however long."""
    if not sys.stdout.isatty():
        _print_lines(head, rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold", no_wrap=title == head[0])
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))
    Console(highlight=False, markup=False).print(table)


def _print_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from dskity.bus.base.text import escape

    lines = [head, *([escape(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def note(text: str) -> None:
    """Something for the person at the terminal, which is no result."""
    typer.echo(escape_lines(text), err=True)


def complain(error: Exception, *, as_json: bool) -> None:
    """An error of ours, without traceback."""
    if as_json:
        problem = {"error": type(error).__name__, "detail": str(error)}
        typer.echo(_json_line(problem), err=True)
    else:
        typer.secho(escape_lines(f"error: {error}"), err=True, fg="red")


def message_fields(message: Message) -> dict[str, Any]:
    """A message as JSON values; a payload that is not UTF-8 is under `payload_base64`."""
    fields: dict[str, Any] = {"topic": message.topic}
    try:
        fields["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        fields["payload_base64"] = base64.b64encode(message.payload).decode()
    fields |= {
        "qos": message.qos,
        "retain": message.retain,
        "content_type": message.content_type,
        "headers": dict(message.headers),
        "reply_to": message.reply_to,
        "expires_in": message.expires_in,
        "duplicate": message.duplicate,
    }
    return fields


def payload_text(payload: bytes) -> str:
    """A payload for the terminal, with its line breaks; bytes that are no text and control
    characters are escaped. `--json` has all of it."""
    return escape_lines(payload.decode(errors="backslashreplace"), indent="")


def _json_line(value: Any) -> str:
    return escape_json(json.dumps(value, ensure_ascii=False, default=str))
