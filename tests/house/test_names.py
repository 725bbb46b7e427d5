"""One name, one thing."""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest

from tests.house.checkout import ROOT

FLOORS = ("bus", "broker", "handlers", "modules")


@pytest.fixture(scope="module")
def classes() -> dict[str, list[str]]:
    """The files in which each class name stands at the top level."""
    found: dict[str, list[str]] = defaultdict(list)
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("DeadlineHeap", "bus/base/deadline_heap.py"),
        ("Deadlines", "modules/commands/deadlines.py"),
        ("DropOldest", "bus/base/drop_oldest.py"),
        ("HookTimeouts", "modules/lifecycle/lifecycle.py"),
        ("HttpLimits", "modules/http/app.py"),
        ("Limits", "broker/limits.py"),
        ("MemoryExecutions", "modules/commands/store.py"),
        ("MemoryStore", "modules/kv/memory_store.py"),
        ("Message", "bus/message.py"),
        ("ServerTls", "modules/access/server_tls.py"),
    ],
)
def test_a_name_stands_for_one_thing(classes: dict[str, list[str]], name: str, file: str) -> None:
    assert classes[name] == [file]


def test_one_heap_of_deadlines_beside_that_of_the_virtual_clock() -> None:
    using = [
        path.relative_to(ROOT).as_posix()
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
        if "import heapq" in path.read_text()
    ]
    assert using == ["bus/base/clock.py", "bus/base/deadline_heap.py"]
