"""docs/reference/private-names.md, from the tables in the `private.py` files."""

from __future__ import annotations

from dskity.broker.aiomqtt import private as aiomqtt
from dskity.modules.http.wire import private as uvicorn
from scripts.reference.markdown import code, page, table

INTRODUCTION = """
Some of what DSkity does with a library has no public name there, such as taking a connected socket
or reading packets past it. Each library has one file that names
the private names, and a test finds every other use. Releases outside the tested minors are not
installed (`pyproject.toml`); where one lacks a name all the same, the first import says which, and
what to do instead. `python -m scripts.versions` runs the tests of the transports with the lowest
and the newest version.
"""
FILES = {
    "broker/aiomqtt/private.py": aiomqtt.LIBRARIES,
    "modules/http/wire/private.py": uvicorn.LIBRARIES,
}


def render() -> str:
    """The whole page."""
    libraries = [(file, library) for file, found in FILES.items() for library in found]
    count = sum(len(library.names) for _, library in libraries)
    return page(
        "Private names of libraries",
        INTRODUCTION,
        table(
            ["library", "tested", "file", "if a name is missing"],
            (
                [
                    library.distribution,
                    " to ".join(dict.fromkeys(library.tested)),
                    code(file),
                    library.fallback or "install a version that was tested",
                ]
                for file, library in libraries
            ),
        ),
        f"{count} names:",
        table(
            ["name", "why"],
            ([code(name), name.why] for _, library in libraries for name in library.names),
        ),
    )
