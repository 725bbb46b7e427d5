"""Find what our word list replaces; `--write` renews the list in CONTRIBUTING.md."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.prose import markdown, source
from scripts.prose.rules import Rule, rules, word_list

ROOT = Path(__file__).parents[2]
FOLDERS = ("bus", "broker", "handlers", "modules", "dskity")
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
_LIST = re.compile(r"(<!-- words: begin -->\n).*?(<!-- words: end -->)", re.DOTALL)


def findings() -> list[str]:
    """Each violation as `path:line: …`, with what to write instead."""
    known = rules()
    return [*_in_pages(known), *_in_program(known)]


def listed(contributing: str) -> str:
    """The text of CONTRIBUTING.md with the word list as the rules have it."""
    return _LIST.sub(lambda part: f"{part[1]}{word_list()}\n{part[2]}", contributing)


def main() -> int:
    """Exit 1 where a text breaks a rule, or the word list is out of date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.prose", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the list in CONTRIBUTING.md")
    text = CONTRIBUTING.read_text(encoding="utf-8")
    if parser.parse_args().write:
        CONTRIBUTING.write_text(listed(text), encoding="utf-8")
    elif listed(text) != text:
        print("CONTRIBUTING.md is out of date: run python -m scripts.prose --write")
        return 1
    found = findings()
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


def pages() -> Iterator[Path]:
    """README, CHANGELOG and docs/; docs/files.md is made from the docstrings, which are read."""
    yield ROOT / "README.md"
    yield ROOT / "CHANGELOG.md"
    yield from sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "files.md")


def _in_pages(known: list[Rule]) -> Iterator[str]:
    for path in pages():
        prose = markdown.prose(path.read_text(encoding="utf-8"))
        for rule in known:
            if "docs" in rule.places:
                for match in rule.found(prose):
                    yield _finding(path, 1 + prose.count("\n", 0, match.start()), match, rule)


def _in_program(known: list[Rule]) -> Iterator[str]:
    for path in program(ROOT):
        for text in source.texts(path.read_text(encoding="utf-8")):
            setting = text.place == "fields" and "config" in path.parts
            for rule in known:
                if ("messages" if setting else text.place) in rule.places:
                    for match in rule.found(text.prose):
                        yield _finding(path, text.line, match, rule)


def program(root: Path) -> Iterator[Path]:
    """Each Python file of the program in the checkout at `root`; generated ones are left out."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            linked = any(part.is_symlink() for part in path.parents)
            if not linked and "_pb2" not in path.name:
                yield path


def _finding(path: Path, line: int, match: re.Match[str], rule: Rule) -> str:
    found = " ".join(match[0].split())
    return f"{path.relative_to(ROOT)}:{line}: “{found}”: write {rule.write}"


if __name__ == "__main__":
    sys.exit(main())
