"""Folders and files that are for one user alone: `state_dir` and all that lies in it.

What somebody else made, may write or has put a link in place of is refused, because it could hold
a token, a client id or messages of theirs, or lead a write of ours to another file. What is ours
and can only be read by others gets the right mode. A file gets mode 0600 at any umask.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from pathlib import Path

from dskity.bus.errors import StateUnusable

FOLDER_MODE, FILE_MODE = 0o700, 0o600
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_logger = logging.getLogger(__name__)


def private_folder(path: Path, what: str) -> None:
    """Make the folder with mode 0700, or see that the one that is there is ours alone.

    `what` names it in `StateUnusable`, which says what to do.
    """
    try:
        _make(path)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot(path, what, error) from error
    try:
        _own(folder, path, what)
        _check_folder(folder, path, what)
    finally:
        os.close(folder)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        return
    path.chmod(FOLDER_MODE)  # a umask such as 0277 would take more than it is meant to


def open_private(path: Path, flags: int, what: str, *, secret: bool = False) -> int:
    """`os.open` of a file that is ours alone, made where `flags` has `O_CREAT`; the descriptor.
    `FileNotFoundError` where it is not made and not there.

    `O_TRUNC` is not among the flags: what the file is has to be known first. A `secret` that others
    could read is refused; any other file just gets the right mode.
    """
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, FILE_MODE)
    except OSError as error:
        if error.errno == errno.ENOENT and not flags & os.O_CREAT:
            raise
        raise _cannot(path, what, error) from error
    try:
        _own(file, path, what)
        _check_file(file, path, what, writes=bool(flags & (os.O_RDWR | os.O_WRONLY)))
        _check_mode(file, path, what, secret=secret)
    except BaseException:
        os.close(file)
        raise
    return file


def ensure_private(path: Path, what: str) -> None:
    """See that a file that another library opens is ours alone; made empty where there is none."""
    os.close(open_private(path, os.O_RDWR | os.O_CREAT, what))


def read_private(path: Path, what: str, *, secret: bool = False) -> bytes:
    """The whole file; `FileNotFoundError` where there is none. For `secret` see `open_private`."""
    with os.fdopen(open_private(path, os.O_RDONLY, what, secret=secret), "rb") as file:
        return file.read()


def write_private(path: Path, data: bytes, what: str) -> None:
    """Write the whole file, or nothing: a crash or a full disk leaves what was there before.

    It is written aside and put into place, so what is in place must be ours too. `StateUnusable`
    where it cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        os.close(open_private(path, os.O_RDWR, what))
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)  # what a crash has left
        with os.fdopen(open_private(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, what), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave an empty file in its place
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _cannot(path, what, error) from error


def _own(descriptor: int, path: Path, what: str) -> None:
    owner = os.fstat(descriptor).st_uid
    if owner != os.geteuid():
        raise StateUnusable(
            f"{what} {path} belongs to the user {owner}, and this is the user {os.geteuid()}: "
            f"check its content, then `chown {os.geteuid()} {path}`; or set "
            "state_dir to a new directory"
        )


def _check_folder(folder: int, path: Path, what: str) -> None:
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & _WRITABLE:
        raise StateUnusable(
            f"{what} {path} has mode {mode:04o}, and other users may have put files into it: "
            f"check its content, then `chmod 700 {path}`, or set another state_dir"
        )
    if mode & _OTHERS:
        _tighten(folder, FOLDER_MODE, path, what)
        _logger.warning("%s %s had mode %04o: it is now 0700", what, path, mode)


def _check_file(file: int, path: Path, what: str, *, writes: bool) -> None:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise StateUnusable(f"{what} {path} is no regular file: remove it, and DSkity creates one")
    if writes and status.st_nlink > 1:
        raise StateUnusable(
            f"{what} {path} is the same file as another one (a hard link): remove it, and a new "
            "one is created"
        )


def _check_mode(file: int, path: Path, what: str, *, secret: bool) -> None:
    mode = stat.S_IMODE(os.fstat(file).st_mode)
    if mode & _OTHERS and secret:
        raise StateUnusable(
            f"{what} {path} has mode {mode:04o}, and other users may have read it: remove it, and "
            "a new one is created"
        )
    if mode & _WRITABLE:
        raise StateUnusable(
            f"{what} {path} has mode {mode:04o}, and other users may have written into it: remove "
            f"it, and a new one is created; or check its content, then `chmod 600 {path}`"
        )
    if mode & _OTHERS:
        _logger.warning("%s %s had mode %04o: it is now 0600", what, path, mode)
    if mode != FILE_MODE:
        _tighten(file, FILE_MODE, path, what)


def _tighten(descriptor: int, mode: int, path: Path, what: str) -> None:
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        raise _cannot(path, what, error) from error


def _cannot(path: Path, what: str, error: OSError) -> StateUnusable:
    if path.is_symlink():  # ELOOP for a file, ENOTDIR for a folder
        return StateUnusable(
            f"{what} {path} is a symbolic link, which could lead to a file of another user: remove "
            "it, or set the path itself in the settings"
        )
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return StateUnusable(f"{what} {path} is no directory: remove it, or set another state_dir")
    return StateUnusable(f"{what} {path} cannot be used: {error.strerror}; {_what_to_do(error)}")


def _what_to_do(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space, or set state_dir to a folder on another disk"
    return "make it writable, or set state_dir to a writable directory"
