"""What is read from a TLS connection in one turn of the loop: all records that are there."""

from __future__ import annotations

from typing import Any

RECORDS_AT_ONCE = 256
READ_AT_ONCE = 65_536  # bytes in one turn of the loop, so that other connections get theirs


def receive(sock: Any) -> bytes:
    """What has come over TLS: a broker sends each PUBACK in a record of its own, and a call gives
    one record. What fails behind the first one fails again at the next read."""
    data: bytes = sock.recv(READ_AT_ONCE)
    if not data:
        return data
    records, size = [data], len(data)
    while len(records) < RECORDS_AT_ONCE and size < READ_AT_ONCE:
        try:
            data = sock.recv(READ_AT_ONCE)
        except OSError:  # most of all: there is no more
            break
        if not data:
            break
        records.append(data)
        size += len(data)
    return b"".join(records)
