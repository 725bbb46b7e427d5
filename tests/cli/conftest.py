"""The command, run in this process in a working directory of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import CliRunner, Result

from dskity.cli.app import app


class Dskity(Protocol):
    def __call__(self, *args: str, stdin: bytes | None = None) -> Result: ...


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dskity() -> Dskity:
    """Run the command; an error that is not ours goes on to the test."""

    def run(*args: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, args, input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def module(folder: Path) -> Callable[[str, str], None]:
    """Write `modules/<name>.py` with these lines in front of a class of that name."""

    def write(name: str, before: str = "") -> None:
        (folder / "modules").mkdir(exist_ok=True)
        (folder / "modules" / f"{name}.py").write_text(
            f"{before}\n"
            "from dskity.modules.contract import ModuleMeta\n"
            f"class {name.title()}:\n"
            f"    meta = ModuleMeta(name={name!r}, base_path='/{name}')\n"
            "    def register(self, clients, config): ...\n"
        )

    return write


def parsed(result: Result) -> Any:
    """The JSON on standard output."""
    return json.loads(result.stdout)
