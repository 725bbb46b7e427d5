"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Config: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file, YAML or TOML."),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set a setting, such as kv.store=redis; repeatable."
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Url: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="URL of the broker; by default from the settings."),
]
Qos: TypeAlias = Annotated[int, typer.Option("--qos", "-q", min=0, max=2, help="MQTT QoS.")]
Headers: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="NAME=VALUE", help="MQTT 5 user property; repeatable."),
]
ContentType: TypeAlias = Annotated[
    str | None, typer.Option("--content-type", metavar="TYPE", help="MQTT 5 content type.")
]
Payload: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="Text of the payload; - reads standard input, @FILE a file.", show_default=False
    ),
]
