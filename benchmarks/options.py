"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`messages` is for the fastest consumer; each row derives from it what it does."""

    rounds: int = 3
    messages: int = 200_000
    keys: int = 200_000
    """Keys that expire in the row `kv`, 5,000 a second."""

    def share(self, part: float, least: int = 200) -> int:
        """A part of the messages, for what is slower."""
        return max(least, int(self.messages * part))


QUICK = Options(rounds=1, messages=20_000, keys=20_000)
