"""Words in front of a command that change what its process finds: a small or a read-only disk."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

_SHELL = ("sh", "-ec")


@functools.cache
def may_mount() -> bool:
    """Whether this user may have mounts of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def small_disk(folder: Path, kibibytes: int) -> tuple[str, ...]:
    """A file system in memory on `folder`, of that size, where mounts are possible; else at least
    no file becomes larger."""
    folder.mkdir(parents=True, exist_ok=True)
    if not may_mount():
        return ("prlimit", f"--fsize={kibibytes * 1024}")
    mount = f'mount -t tmpfs -o mode=0700,size={kibibytes}k tmpfs "$0"; exec "$@"'
    return ("unshare", "--mount", *_SHELL, mount, str(folder))


def read_only(folder: Path) -> tuple[str, ...]:
    """`folder` without the right to write; `may_mount` first."""
    mount = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"'
    return ("unshare", "--mount", *_SHELL, mount, str(folder))
