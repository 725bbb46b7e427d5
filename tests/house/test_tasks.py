"""No task without a parent that sees its end: see `bus/base/tasks.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.checkout import ROOT, modules, text

HOME = Path("bus/base/tasks.py")
TESTS = ROOT / "tests"
MAKERS = {"create_task", "ensure_future"}


def test_only_one_file_makes_tasks() -> None:
    """But for those of a `TaskGroup`, whose block sees their end."""
    bare = {
        f"{path}:{line}"
        for path in modules().values()
        if path != HOME
        for line in bare_tasks(text(path))
    }
    assert bare == set()


def test_a_bare_task_is_found_in_every_spelling() -> None:
    source = """
import asyncio
from asyncio import ensure_future, create_task as make
asyncio.create_task(work())
loop.create_task(work())
asyncio.get_running_loop().create_task(work())
asyncio.Task(work())
group.create_task(work())
async def f():
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
    async with asyncio.timeout(1), asyncio.TaskGroup() as senders:
        senders.create_task(work())
"""
    assert list(bare_tasks(source)) == [3, 4, 5, 6, 7, 8]


def test_each_loop_is_broken_by_a_test() -> None:
    """Each `keep_running` with a name of its own: some test that waits for the log line has it."""
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py")))
    names = {name for path in modules().values() for name in loops(text(path))}
    assert len(names) > 10
    assert {name for name in names if name not in tests} == set()


def test_the_name_of_a_loop_is_found() -> None:
    source = """
keep_running(work, name="one", clock=clock)
self._tasks.keep_running(work, "two", clock)
tasks.keep_running(work, name=f"three {lane}: x")
tasks.keep_running(work, name=self._name)
"""
    assert list(loops(source)) == ["one", "two", "three "]


def loops(source: str) -> Iterator[str]:
    """The names of loops; of those that are put together, what they begin with."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or "keep_running" not in ast.unparse(node.func):
            continue
        given = [word.value for word in node.keywords if word.arg == "name"] or node.args[1:2]
        for name in given:
            first = name.values[0] if isinstance(name, ast.JoinedStr) else name
            if isinstance(first, ast.Constant):
                yield str(first.value)


def bare_tasks(source: str) -> Iterator[int]:
    """The lines that make a task, or import what does."""
    tree = ast.parse(source)
    grouped = {id(node) for block in ast.walk(tree) for node in _of_its_groups(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "asyncio":
            if any(alias.name in {*MAKERS, "Task"} for alias in node.names):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, node.func.value
            of_asyncio = isinstance(owner, ast.Name) and owner.id == "asyncio"
            if (name in MAKERS and id(node) not in grouped) or (name == "Task" and of_asyncio):
                yield node.lineno


def _of_its_groups(block: ast.AST) -> Iterator[ast.Call]:
    """The calls inside an `async with asyncio.TaskGroup() as name` on that name."""
    if not isinstance(block, ast.AsyncWith):
        return
    names = {
        item.optional_vars.id
        for item in block.items
        if isinstance(item.optional_vars, ast.Name)
        and isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func) == "asyncio.TaskGroup"
    }
    for node in ast.walk(block):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in names:
                yield node
