"""The command group: `run` is the verb where none is named, and our errors become exit code 1."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from dskity.bus.errors import DSkityError
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

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DSkityError as error:
            if ctx.params.get("debug"):
                raise
            complain(error, as_json=ctx.meta["dskity.json"])
            raise typer.Exit(FAILED) from error
