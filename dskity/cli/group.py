"""The command group: `run` is the verb where none is named, and our errors become exit code 1."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from dskity.bus.errors import DSkityError
from dskity.cli.installed import installed, load, placeholder
from dskity.process.terminal import complain

DEFAULT_VERB = "run"
DEBUG = "--debug"
FAILED = 1


class Verbs(TyperGroup):
    """`dskity --port 9000` is `dskity run --port 9000`; `--debug` may stand anywhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # which is shell completion asking
            args = self._with_verb(ctx, args)
        ctx.meta["dskity.json"] = "--json" in args
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def _with_verb(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        flags = [DEBUG] if DEBUG in args[:end] else []
        args = [arg for arg in args[:end] if arg != DEBUG] + args[end:]
        own = {option for param in self.get_params(ctx) for option in param.opts}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = [DEFAULT_VERB, *args]
        return [*flags, *args]

    def list_commands(self, ctx: Any) -> list[str]:
        ours = super().list_commands(ctx)
        return [*ours, *(name for name in installed() if name not in ours)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in (others := installed()):
            return placeholder(cmd_name, others[cmd_name][1])
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if super().get_command(ctx, name) is None and name in (others := installed()):
            return name, load(name, *others[name]), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DSkityError as error:
            if ctx.params.get("debug"):
                raise
            complain(error, as_json=ctx.meta["dskity.json"])
            raise typer.Exit(FAILED) from error
