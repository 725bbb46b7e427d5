"""The token that a runtime makes for itself, in a file that only its owner may read."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from dskity.bus.base.private import private_folder, read_private
from dskity.bus.errors import InvalidSettings, StateUnusable

_TOKEN_BYTES = 32  # 256 bits: beyond guessing, and one line when shown


def load_or_create_token(path: Path) -> str:
    """The token in a file, made on the first call (mode 0600); of two at once both get the same.

    `InvalidSettings` where it cannot be read, or somebody else could have written or read it.
    """
    try:
        private_folder(path.parent, "state_dir")
        if not os.path.lexists(path):
            _create_token(path)
        token = read_private(path, "the token file", secret=True).decode("ascii").strip()
    except StateUnusable as error:
        raise InvalidSettings(str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"token file {path} cannot be read: {error}") from error
    if not token:
        raise InvalidSettings(f"token file {path} is empty: delete it, and a new one is created")
    return token


def _create_token(path: Path) -> None:
    """Write it aside and link it into place: a link appears whole, and only where nothing is."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".token-") as draft:  # 0600
            draft.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):  # another runtime was first
                path.hardlink_to(draft.name)
    except OSError as error:
        raise InvalidSettings(
            f"token file {path} cannot be written: {error.strerror}; set `state_dir`"
        ) from error
