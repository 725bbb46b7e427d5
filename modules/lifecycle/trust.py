"""Whether another user may write the code that a search path holds, and what follows from it.

Modules run with all rights of the runtime, so whoever may write one has those rights. That is
warned of, and refused where the runtime is root's.
"""

from __future__ import annotations

import grp
import logging
import os
import pwd
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

Policy: TypeAlias = Literal["auto", "refuse", "allow"]
"""`auto` refuses where the runtime is root's, and warns elsewhere; `allow` warns only."""

_CODE = frozenset({".py", ".pyc", ".so"})
_logger = logging.getLogger(__name__)


def refusal(folder: Path, policy: Policy) -> str | None:
    """Why the code in a search path is not run; None where it is. A warning may be logged."""
    fault = exposed(folder)
    if fault is None:
        return None
    if policy == "refuse" or (policy == "auto" and os.geteuid() == 0):
        return (
            f"{fault}, so another user could run code with the rights of this runtime: change "
            "it (`chown`, `chmod go-w`), or set modules_writable_by_others to allow"
        )
    _logger.warning("%s: another user can run code with the rights of this runtime", fault)
    return None


def exposed(folder: Path) -> str | None:
    """The first folder or file of code in `folder` that others than we and root may write, in
    words; None where there is none."""
    for path in _code_in(folder):
        try:
            status = path.stat()
        except OSError:
            continue  # gone meanwhile, or a link to nowhere: it cannot be imported
        fault = _fault(status)
        if fault is not None:
            return f"{path} {fault}"
    return None


def _code_in(folder: Path) -> Iterator[Path]:
    yield folder
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in folders)
        yield from (Path(place, name) for name in files if Path(name).suffix in _CODE)


def _fault(status: os.stat_result) -> str | None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to the user {_user(status.st_uid)}"
    if mode & stat.S_IWOTH:
        return f"may be written by every user (mode {mode:04o})"
    if mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"may be written by the group {status.st_gid} (mode {mode:04o})"
    return None


@lru_cache(maxsize=64)
def _is_private(group: int, user: int) -> bool:
    """Whether a group is its user's own, as many systems make one for each, with umask 002."""
    try:
        found, owner = grp.getgrgid(group), pwd.getpwuid(user)
    except KeyError:
        return False
    return found.gr_name == owner.pw_name and set(found.gr_mem) <= {owner.pw_name}


def _user(number: int) -> str:
    try:
        return f"{pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return str(number)
