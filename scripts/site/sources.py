"""A hook of mkdocs: files outside `docs/` that a page links to become pages of the site.

In the checkout such a link leads to the file itself; on the site the file is shown in a page of its
own, so that each link of each page works in both places.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDER = "source"
_LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".proto": "protobuf",
    ".conf": "ini",
    ".toml": "toml",
}


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file outside `docs/` that some page links to."""
    pages = [(page, page.read_text(encoding="utf-8")) for page in DOCS.rglob("*.md")]
    linked = {_outside(page, target) for page, text in pages for target, _ in _LINK.findall(text)}
    for path in sorted(linked - {None}):
        files.append(File.generated(config, _page_of(path), content=_shown(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files outside `docs/` to their pages."""
    here = DOCS / page.file.src_uri

    def led(link: re.Match[str]) -> str:
        path = _outside(here, link[1])
        if path is None:
            return link[0]
        there = os.path.relpath(DOCS / _page_of(path), here.parent)
        return f"]({there}{link[2] or ''})"

    return markdown if here.parts[-2:-1] == (FOLDER,) else _LINK.sub(led, markdown)


def _outside(page: Path, target: str) -> Path | None:
    """The file below the root that a link of a page leads to, where it is not in `docs/`."""
    path = (page.parent / target).resolve()
    if path.is_relative_to(DOCS) or not path.is_relative_to(ROOT) or not path.is_file():
        return None
    return path.relative_to(ROOT)


def _page_of(path: Path) -> str:
    return f"{FOLDER}/{path.as_posix()}" + ("" if path.suffix == ".md" else ".md")


def _shown(path: Path) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    language = _LANGUAGES.get(path.suffix, "text")
    return f"# {path.as_posix()}\n\n````{language}\n{text}````\n"
