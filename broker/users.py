"""The users file: `mosquitto_passwd`'s format, read by every broker that we run.

A line is `name:$7$iterations$salt$hash`, PBKDF2-HMAC-SHA512 with salt and hash in base64, or
`name:$6$salt$hash`, SHA-512 over password and salt, from mosquitto before 2.0. Empty lines and
those that begin with `#` are skipped.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dskity.bus.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# 6 ms on a small server core. mosquitto hashes on its only thread, so that every connecting client
# holds up all traffic this long: as dear as that allows (mosquitto_passwd itself takes 101).
ITERATIONS = 10_000
_SALT_BYTES = 12


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """One user's entry; `iterations` is 0 for the older `$6$` kind."""

    salt: bytes
    digest: bytes
    iterations: int

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Read `$7$…` or `$6$…`; ValueError for anything else."""
        match text.split("$"):
            case ["", "7", iterations, salt, digest] if int(iterations) > 0:
                return cls(_decode(salt), _decode(digest), int(iterations))
            case ["", "6", salt, digest]:
                return cls(_decode(salt), _decode(digest), 0)
        raise ValueError("neither $7$ nor $6$")

    def verify(self, password: str) -> bool:
        """Whether `password` is the right one, in a time that does not tell how nearly."""
        return hmac.compare_digest(_digest(password, self.salt, self.iterations), self.digest)


class Users:
    """Who may connect. Immutable; load the file again to see changes."""

    def __init__(self, entries: Mapping[str, PasswordHash]) -> None:
        self._entries = dict(entries)
        # Checked for names nobody has, so that the time taken does not tell which names exist.
        self._nobody = PasswordHash.parse(hash_password(os.urandom(16).hex()))

    @classmethod
    def load(cls, path: Path) -> Users:
        """Read a users file; `InvalidSettings` names the line and the fix."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(f"broker.users_file {path} cannot be read: {error}") from error
        entries = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, secret = line.strip().partition(":")
            try:
                entries[name] = PasswordHash.parse(secret)
            except ValueError as error:
                raise InvalidSettings(
                    f"{path}, line {number}: no password hash for user {name!r} (plain passwords "
                    f"are not supported); run mosquitto_passwd {path} {name}"
                ) from error
        return cls(entries)

    def verify(self, name: str | None, password: str | None) -> bool:
        """Whether `name` is known and `password` is its password. Costs milliseconds of CPU."""
        entry = self._entries.get(name or "")
        right = (entry or self._nobody).verify(password or "")
        return right and entry is not None


def hash_password(password: str, *, iterations: int = ITERATIONS) -> str:
    """What follows `name:` in a users file."""
    salt = os.urandom(_SALT_BYTES)
    digest = _digest(password, salt, iterations)
    return f"$7${iterations}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def _digest(password: str, salt: bytes, iterations: int) -> bytes:
    if iterations == 0:
        return hashlib.sha512(password.encode() + salt).digest()
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
