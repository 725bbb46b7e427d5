"""`dskity run`, or just `dskity`: start the runtime."""

from __future__ import annotations

from typing import Annotated

import typer

from dskity.cli.options import Config, Json, Set
from dskity.cli.reading import read_settings
from dskity.process import gc_tuning

Host = Annotated[str | None, typer.Option("--host", help="Address of the HTTP API (host).")]
Port = Annotated[int | None, typer.Option("--port", help="Port of the HTTP API (port).")]
BrokerPort = Annotated[
    int | None, typer.Option("--broker-port", help="Port of the bundled MQTT broker (broker.port).")
]


def run(
    config: Config = None,
    assignments: Set = None,
    host: Host = None,
    port: Port = None,
    broker_port: BrokerPort = None,
    as_json: Json = False,
) -> None:
    """Start the runtime; `dskity` alone does the same. SIGTERM and Ctrl-C drain and stop it.

    A second Ctrl-C stops it at once and lists the unfinished work; the exit code is then 130.
    """
    gc_tuning.hold()
    options = {
        "host": host,
        "port": port,
        "broker.port": broker_port,
        "logging.format": "json" if as_json else None,
    }
    settings = read_settings(config, assignments, options)
    from dskity.bootstrap import run as serve

    raise typer.Exit(serve(settings))
