"""A Bloom filter: of what was never added it mostly, and at no cost, knows just that."""

from __future__ import annotations

from collections.abc import Hashable

_BITS = 21  # of one index into it: 256 KiB
_MASK = (1 << _BITS) - 1


class BloomFilter:
    """A set that may hold more than was added: one key in 100 when it has 100,000 of them, two in
    five at a million. Nothing can be taken out."""

    def __init__(self) -> None:
        self._bits = bytearray(1 << (_BITS - 3))

    def add(self, key: Hashable) -> None:
        """Add `key`."""
        bits, seed = self._bits, hash(key)
        for index in (seed & _MASK, seed >> _BITS & _MASK):
            bits[index >> 3] |= 1 << (index & 7)

    def __contains__(self, key: Hashable) -> bool:
        bits, seed = self._bits, hash(key)
        first, second = seed & _MASK, seed >> _BITS & _MASK
        return bool(bits[first >> 3] >> (first & 7) & 1 and bits[second >> 3] >> (second & 7) & 1)
