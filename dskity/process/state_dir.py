"""`state_dir`: what must outlive the process, and the lock that keeps other runtimes out of it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from dskity.bus.base.private import open_private, private_folder, read_private, write_private
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidSettings, StateUnusable

_logger = logging.getLogger("dskity")


class StateDir:
    """The folder, ours alone (see `private_folder`), and locked while the block lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            private_folder(self.path, "state_dir")
            lock = open_private(self.path / "lock", os.O_RDWR | os.O_CREAT, "the lock of state_dir")
        except StateUnusable as error:
            raise InvalidSettings(str(error)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise InvalidSettings(
                f"state_dir {str(self.path)!r} is in use by another runtime (process {owner}), "
                "with its client id and its databases: stop it, or set another state_dir"
            ) from None
        except OSError as error:
            os.close(lock)
            raise InvalidSettings(
                f"state_dir {str(self.path)!r} cannot be locked: {error.strerror}; set it to a "
                "folder on a disk of this machine"
            ) from error
        with contextlib.suppress(OSError):  # a full disk: it is a word for people, the lock holds
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def client_id(self) -> str:
        """The MQTT client id, made once: host name and 32 random bits."""
        file = self.path / "client_id"
        with contextlib.suppress(FileNotFoundError):
            if found := _printable(read_private(file, "the client id")):
                return found
            _logger.warning("%s has no client id: a new one is created", file)
        host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-_.")[:32]
        client_id = f"dskity-{host or 'host'}-{secrets.token_hex(4)}"
        write_private(file, f"{client_id}\n".encode(), "the client id")
        return client_id


def _printable(data: bytes) -> str:
    """The text; empty where it is none, as after a power cut that left the file without it."""
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if fault_in(text) else text
