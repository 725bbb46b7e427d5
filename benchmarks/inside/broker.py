"""A broker in a process of its own: the built-in one, or mosquitto in its place."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.broker import HOST, SETTINGS, WINDOW, free_port, mosquitto_path
from benchmarks.child import arguments, ready
from dskity.broker.engines.builtin.engine import BuiltinBroker
from dskity.broker.engines.listen import Listen


async def main() -> None:
    """The process; it ends when it is terminated."""
    broker = BuiltinBroker(Listen(port=0))
    await broker.start()
    ready(port=urlsplit(broker.url).port)
    await asyncio.Event().wait()


def become_mosquitto() -> None:
    """Replace this process, so that its CPU time and memory are the broker's."""
    conf, port = Path(tempfile.mkstemp(prefix="bench-", suffix=".conf")[1]), free_port()
    lines = (*SETTINGS, f"max_inflight_messages {WINDOW}", f"listener {port} {HOST}")
    conf.write_text("\n".join(lines) + "\n")
    ready(port=port)
    program = mosquitto_path()
    os.execv(program, (program, "-c", str(conf)))  # that is what is measured


if __name__ == "__main__":
    if arguments()["engine"] == "mosquitto":
        become_mosquitto()
    else:
        asyncio.run(main())
