"""The user that a broker of ours becomes where we are root, and the folder that it works in.

The folder belongs to that user and lies in one that only root may enter: the broker is started
inside of it and names its files relatively. What decides how the broker starts (its configuration)
stays outside, where the broker cannot change it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dskity.bus.errors import EngineError, InvalidSettings

DEFAULTS = ("mosquitto", "nobody")
_UNPRIVILEGED_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_FIRST_UNPRIVILEGED = 1024


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def account(wanted: str | None) -> Account | None:
    """The user `broker.user`, by default the first of `DEFAULTS`; None where nothing is given up:
    we are not root, or it is root that is wanted."""
    if os.geteuid() != 0:
        return None
    for name in DEFAULTS if wanted is None else (wanted,):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return None if found.pw_uid == 0 else Account(name, found.pw_uid, found.pw_gid)
    raise InvalidSettings(
        f"broker.user: there is no user {wanted or ' or '.join(DEFAULTS)!r} on this machine: "
        "create one (`useradd --system mosquitto`), or set broker.user to an existing one"
    )


def check_port(port: int | None, setting: str, user: Account) -> None:
    """`InvalidSettings` for a port that only root may open: the broker is not root by then."""
    try:
        first = int(_UNPRIVILEGED_PORTS.read_text())
    except (OSError, ValueError):
        first = _FIRST_UNPRIVILEGED
    if port is not None and 0 < port < first:
        raise InvalidSettings(
            f"{setting} {port}: the broker runs as the user {user.name}, who may not open it: set "
            f"it to {first} or above, or broker.user to root"
        )


def furnish(folder: Path, user: Account, kept: str, copies: Mapping[str, Path]) -> None:
    """Make `folder` the user's, with its file `kept` if there is one, and with `copies`, by name,
    that only the user may read."""
    try:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EngineError(f"{folder} cannot be used: {error.strerror}: remove it") from error
    try:
        os.fchown(inside, user.uid, user.gid)
        os.fchmod(inside, stat.S_IRWXU)
        _hand_over(inside, kept, user)
        for name, source in copies.items():
            _copy(inside, name, source, user)
    except OSError as error:
        raise EngineError(
            f"{folder} cannot be given to the user {user.name}: {error}: set state_dir to a file "
            "system that has users, or broker.user to root"
        ) from error
    finally:
        os.close(inside)


def _hand_over(inside: int, name: str, user: Account) -> None:
    """What another user had written: the runtime's, or the one of an earlier `broker.user`."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:  # a link could be any file
            os.fchown(file, user.uid, user.gid)
    finally:
        os.close(file)


def _copy(inside: int, name: str, source: Path, user: Account) -> None:
    """A new file, whatever the user has put in its place."""
    data = source.read_bytes()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=inside)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o400, dir_fd=inside), "wb") as file:
        os.fchown(file.fileno(), user.uid, user.gid)
        os.fchmod(file.fileno(), stat.S_IRUSR)
        file.write(data)
