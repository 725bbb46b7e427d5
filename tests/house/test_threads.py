"""Where blocking code runs."""

from __future__ import annotations

import ast

from tests.house.checkout import ROOT, modules

MAY = {"dskity/process/ending.py"}  # it has asyncio's default executor within reach, to end it
BANNED = {"to_thread", "run_in_executor", "ThreadPoolExecutor", "set_default_executor"}


def test_only_the_pools_of_the_bus_start_threads_for_blocking_calls() -> None:
    """What blocks in asyncio's default executor stops `getaddrinfo`, and with it reconnecting, and
    holds up the end of the process: `dskity.bus.base.threads` has the pools."""
    uses = {
        f"{path}:{node.lineno}"
        for path in modules().values()
        if str(path) not in MAY
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in BANNED)
        or (isinstance(node, ast.alias) and node.name in BANNED)
    }
    assert uses == set()
