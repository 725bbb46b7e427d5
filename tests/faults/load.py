"""The messages of the suite: numbered, and telling their handler what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel

TOPICS = 8
PANICS = ("exit", "interrupt", "panic", "group", "raise-cancelled", "cancel-itself")
"""What a handler may be told to do that is no ordinary error; see `misbehaviour.py`."""
HOSTILE = (
    b"[" * 1_000 + b"%d",
    b'{"n":%d,"do":"line\\nbreak"}',
    b'{"n":%d,"do":"\\u0000\\u0085"}',
    b'{"n":%d,"do":"\\ud800"}',
    b"\xff\xfe number %d",
    b'{"n":%d,"n":NaN}',
)
"""Payloads that no handler can read, each with its number. A dead letter quotes them in a header,
and each kind has ended a connection that way."""


class Load(BaseModel):
    """`note` is the ordinary one; a handler fails at `fail` and at `PANICS` each time, and hangs
    at `hang`."""

    n: int
    do: Literal[
        "note", "fail", "hang",
        "exit", "interrupt", "panic", "group", "raise-cancelled", "cancel-itself",
    ] = "note"  # fmt: skip
    pad: str = ""


def topic_of(number: int) -> str:
    """Messages go round a few topics; on each they are in order."""
    return f"load/{number % TOPICS}"


def payload_of(number: int, do: str = "note") -> bytes:
    """A message that its handler can read."""
    return b'{"n":%d}' % number if do == "note" else b'{"n":%d,"do":"%s"}' % (number, do.encode())


def stream(numbers: Iterable[int], bad: Mapping[int, bytes]) -> Iterator[tuple[int, str, bytes]]:
    """Number, topic and payload of each; ordinary ones, but for those in `bad`."""
    for number in numbers:
        yield number, topic_of(number), bad.get(number) or payload_of(number)


def out_of_order(order: list[int]) -> list[int]:
    """The numbers that came, for the first time, after a later one of their topic."""
    highest = [-1] * TOPICS
    seen: set[int] = set()
    late: list[int] = []
    for number in order:
        if number not in seen and number < highest[number % TOPICS]:
            late.append(number)
        seen.add(number)
        highest[number % TOPICS] = max(highest[number % TOPICS], number)
    return late
