"""The documentation holds together and says what the code says."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

from scripts.reference.__main__ import stale
from tests.house.checkout import ROOT, files, text

PAGES = [path for path in files() if path.suffix == ".md"]
DOCS = [path for path in PAGES if path.parts[0] == "docs"]
DECISIONS = [path for path in DOCS if re.match(r"\d{4}-", path.name)]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_inside_the_checkout_leads_somewhere(page: Path) -> None:
    """To a file that is there, and where a heading is named, to that heading."""
    broken = [target for target in _targets(page) if not _resolves(page, target)]
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    """Starting at docs/README.md, by links alone."""
    seen: set[Path] = set()
    following = [Path("docs/README.md")]
    while following:
        page = following.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        following += [_path(page, target) for target in _targets(page)]
    assert [page for page in DOCS if page not in seen] == []


def test_every_decision_is_in_the_index_and_has_its_own_number() -> None:
    """docs/decisions/README.md lists them."""
    index = text(Path("docs/decisions/README.md"))
    assert [path.name for path in DECISIONS if f"({path.name})" not in index] == []
    assert len({path.name[:4] for path in DECISIONS}) == len(DECISIONS)


def test_the_generated_pages_are_up_to_date() -> None:
    """`scripts/docs` writes them."""
    assert sorted(path.name for path in stale()) == []


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in text(page)], ids=str)
def test_python_in_the_pages_runs(page: Path, tmp_path: Path) -> None:
    """A block that imports is a module that runs as it stands; another is at least Python."""
    blocks = [block for language, block in FENCE.findall(text(page)) if language == "python"]
    for number, block in enumerate(blocks, 1):
        compile(block, f"{page}, block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if re.search(r"^(?:from|import) ", block, re.MULTILINE):
            module = tmp_path / f"block_{number}.py"
            module.write_text(block, encoding="utf-8")
            runpy.run_path(str(module))


def test_each_figure_in_the_readme_was_measured() -> None:
    """A rate, a time or a size in its comparison is in docs/performance.md."""
    rows = [line for line in text(Path("README.md")).splitlines() if line.startswith("| [")]
    figures = re.findall(r"\b\d[\d.]*,\d{3}\b|\b[\d.]+ (?:s|MiB)\b|\b\d{4,}\b", " ".join(rows))
    measured = text(Path("docs/performance.md"))
    assert len(figures) >= 6  # the comparison has that many
    assert [figure for figure in figures if f" {figure}" not in measured] == []


def _targets(page: Path) -> list[str]:
    prose = FENCE.sub("", text(page))
    return [target for target in LINK.findall(prose) if not re.match(r"[a-z]+:", target)]


def _path(page: Path, target: str) -> Path:
    joined = ROOT / page.parent / target.partition("#")[0] if target[0] != "#" else ROOT / page
    resolved = joined.resolve()
    return resolved.relative_to(ROOT) if resolved.is_relative_to(ROOT) else resolved


def _resolves(page: Path, target: str) -> bool:
    path, heading = _path(page, target), target.partition("#")[2]
    return (ROOT / path).exists() and (not heading or heading in _headings(path))


def _headings(page: Path) -> set[str]:
    # As the usual renderers make them: lower case, no punctuation, spaces to hyphens.
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
