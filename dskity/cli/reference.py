"""docs/reference/cli.md, from the verbs; `python -m dskity.cli.reference` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from dskity.cli.app import app

PATH = Path("docs/reference/cli.md")
_INTRODUCTION = """\
<!-- Made from the verbs in dskity/cli/: change it there. -->

# Command line

`dskity` alone is `dskity run`. Every command has `--json`: results are JSON on standard output, an
error is one JSON object on standard error. Exit codes: 0 success, 1 failure, 2 invalid command
line, 130 stopped by Ctrl-C.
`--debug`, anywhere on the command line, shows the traceback of an error.

`pub`, `sub`, `request`, `doctor` and `dead-letters` connect to a broker: the one at `--url`,
else at `common.mqtt.url`, else the broker of the runtime that uses `state_dir` (it writes its
addresses to `runtime.json` there, also if a port is 0), else the one at `broker.host` and
`broker.port`. In a terminal, tables are wrapped to its width; in a pipe each row is one line.
"""


def render() -> str:
    """The page's text."""
    group: Any = typer.main.get_command(app)
    return "\n".join([_INTRODUCTION, *(_verb(name, verb) for name, verb in _verbs(group))])


def _verbs(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The verbs by their whole names; those of a group below it have two words."""
    for verb in group.commands.values():
        if hasattr(verb, "commands"):
            yield from _verbs(verb, f"{verb.name} ")
        else:
            yield f"{before}{verb.name}", verb


def _verb(name: str, verb: Any) -> str:
    arguments = [p for p in verb.params if p.param_type_name == "argument"]
    usage = " ".join(["dskity", name, "[OPTIONS]", *map(_placeholder, arguments)])
    lines = [f"## `{name}`", "", verb.help, "", "```sh", usage, "```", "", *_HEAD]
    return "\n".join([*lines, *_rows(verb), ""])


_HEAD = ("| argument or option | default | meaning |", "|---|---|---|")


def _placeholder(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _rows(verb: Any) -> Iterator[str]:
    for param in verb.params:
        argument = param.param_type_name == "argument"
        names = _placeholder(param) if argument else ", ".join(param.opts)
        metavar = f" {param.metavar}" if param.metavar and not argument else ""
        yield f"| `{names}{metavar}` | {_default(param)} | {param.help or ''} |"


def _default(param: Any) -> str:
    if param.required:
        return "required"
    return "" if param.default in (None, False, "", ()) else f"`{param.default}`"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    target.write_text(render(), encoding="utf-8")
