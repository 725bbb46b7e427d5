"""The command `dskity`: one file a verb, each importing what it needs only when it runs.

Layout, lowest first:

    options.py     options that verbs share
    installed.py   verbs of installed packages             reading.py  options → DSkitySettings
    group.py       the default verb, errors → exit codes  scaffold.py the files of a new project
    checks/        what can be found out without a start
    run.py demo.py init.py list.py validate.py pub.py sub.py request.py      the verbs
    dead_letters.py                                        those of `dskity dead-letters`
    doctor.py      what the broker really does
    app.py         puts them together                     reference.py docs/reference/cli.md

Exit codes: 0 done, 1 failed, 2 the command line is wrong.
"""

from __future__ import annotations


def main() -> None:
    """The entry point of the command."""
    from dskity.cli.app import app

    app()


__all__ = ["main"]
