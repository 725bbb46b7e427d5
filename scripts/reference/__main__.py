"""Write the generated pages of docs/, or with `--check` say which are out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dskity.cli import reference as cli
from dskity.config import reference as settings
from scripts.reference import errors, files, grpc, private_names, python, states, topics

PAGES = {
    "../files.md": files.render,
    "cli.md": cli.render,
    "errors.md": errors.render,
    "grpc.md": grpc.render,
    "private-names.md": private_names.render,
    "python.md": python.render,
    "settings.md": settings.render,
    "states.md": states.render,
    "topics.md": topics.render,
}
FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def stale() -> dict[Path, str]:
    """The pages whose text on disk is not what the code says, with the text they should have."""
    wanted = {(FOLDER / name).resolve(): render() for name, render in PAGES.items()}
    return {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> int:
    """Exit 1 where `--check` finds a page out of date."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args().check
    pages = stale()
    for path, text in pages.items():
        name = path.relative_to(FOLDER.parents[1])
        if check:
            print(f"{name} is out of date: run scripts/docs")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name} written")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main())
