"""What the pages tell a reader to write and to type works as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dskity.bootstrap import start
from dskity.cli.app import app
from dskity.config import load_settings
from dskity.config.layer import merged
from dskity.notices.unknown_modules import BUILT_IN
from dskity.testing import ScriptedBroker, isolated_settings
from tests.house.checkout import files, text

READ = ("README.md", "docs/tutorial", "docs/how-to", "docs/explanation")
PAGES = [path for path in files() if path.suffix == ".md" and path.as_posix().startswith(READ)]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TESTS = Path("docs/how-to/test-a-module.md")  # tests/testing runs all of it, by pytest


def blocks(*languages: str) -> Iterator[tuple[Path, str]]:
    """Each block of the pages in one of these languages."""
    for page in PAGES:
        for language, block in FENCE.findall(text(page)):
            if language in languages:
                yield page, block


MODULES = [
    (p, b) for p, b in blocks("python") if re.search(r"ModuleMeta\(|@on\(", b) and p != TESTS
]
SETTINGS = list(blocks("yaml"))
COMMANDS = [
    (page, line)
    for page, block in blocks("sh")
    for line in block.splitlines()
    if re.match(r"(\.venv/bin/)?dskity\b", line)
]


@pytest.mark.parametrize(("page", "code"), MODULES, ids=lambda part: str(part).split("\n", 1)[0])
async def test_a_module_starts(
    page: Path, code: str, tmp_path: Path, dskity_broker: ScriptedBroker
) -> None:
    """Saved in a search path; its handlers are bound and subscribed."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "page.py").write_text(code, encoding="utf-8")
    settings = isolated_settings(
        tmp_path,
        modules_search_paths=[str(tmp_path / "modules")],
        mqtt={"cloud": {"url": "mqtt://cloud.example"}},
    )
    lines = {name: dskity_broker.transport(name) for name in ("default", "cloud")}
    async with await start(settings, transport=lines.pop("default"), transports=lines) as runtime:
        states = runtime.supervisor.states()
        own = {name: status.reason for name, status in states.items() if name not in BUILT_IN}
        assert own, f"{page} has no module"
        assert set(own.values()) == {""}


@pytest.mark.parametrize(("page", "block"), SETTINGS, ids=lambda part: str(part).split("\n", 1)[0])
def test_settings_are_accepted(
    page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together with the first ones of the page, which those below it build upon."""
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"\$\{(\w+)\}", block):
        monkeypatch.setenv(name, "a secret of sixteen")
    first = next(block for other, block in SETTINGS if other == page)
    for name in re.findall(r"\$\{(\w+)\}", first):
        monkeypatch.setenv(name, "a secret of sixteen")
    settings = merged(yaml.safe_load(first), yaml.safe_load(block))
    Path("settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert load_settings().model_fields_set


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_ours_is_understood(page: Path, line: str) -> None:
    """Its verb is there and has these options."""
    _, *words = shlex.split(line, comments=True)
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
