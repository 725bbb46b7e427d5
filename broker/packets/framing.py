"""Control packets in a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from dskity.broker.packets.values import Malformed

_LAST_SHIFT = 21  # of four bytes with seven bits each
_MORE = 0x80
_TOO_LARGE = 0x95


class Frames:
    """Takes bytes as they come; iterating takes out what packets are complete: the first byte, and
    what follows the length. A packet that is not asked for stays; one that announces more than
    `most` bytes, which may change, is `Malformed`."""

    def __init__(self, most: int) -> None:
        self._unread = bytearray()
        self.most = most

    def feed(self, data: bytes) -> None:
        """More bytes came."""
        self._unread += data

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        unread, at = self._unread, 0
        try:
            while (bounds := _bounds(unread, at, self.most)) is not None:
                header, (start, end) = unread[at], bounds
                at = end
                yield header, bytes(unread[start:end])
        finally:
            del unread[:at]


def _bounds(unread: bytearray, at: int, most: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` starts and ends; None where it is not complete."""
    size, start, available = 0, at + 1, len(unread)
    for shift in range(0, _LAST_SHIFT + 1, 7):
        if start >= available:
            return None
        byte = unread[start]
        start += 1
        size |= (byte & 0x7F) << shift
        if byte < _MORE:
            end = start + size
            if end - at > most:
                raise Malformed(f"a packet of {end - at} bytes, and we take {most}", _TOO_LARGE)
            return (start, end) if end <= available else None
    raise Malformed("a packet length of more than four bytes")
