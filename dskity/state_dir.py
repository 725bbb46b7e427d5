"""`state_dir`: what must outlive the process, and the lock that keeps other runtimes out of it."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from dskity.bus.errors import InvalidSettings


class StateDir:
    """The folder, made with mode 0700 and locked while the block lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidSettings(
                f"state_dir {str(self.path)!r} cannot be used: {error.strerror}; make it writable, "
                "or set state_dir to a folder that is"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise InvalidSettings(
                f"state_dir {str(self.path)!r} is in use by another runtime (process {owner}), "
                "with its client id and its databases: stop it, or set another state_dir"
            ) from None
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
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-_.")[:32]
            client_id = f"dskity-{host or 'host'}-{secrets.token_hex(4)}"
            file.write_text(client_id + "\n")
            return client_id
