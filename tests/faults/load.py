"""The messages of the suite: numbered, and telling their handler what to do."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

from pydantic import BaseModel

TOPICS = 8
PANICS = (b"exit", b"interrupt", b"panic", b"cancel", b"group")
"""What a handler may be told to raise, or to do to its task."""


class Load(BaseModel):
    """`note` is the ordinary one; a handler fails at `fail` and at `PANICS` each time, and hangs
    at `hang`."""

    n: int
    do: Literal["note", "fail", "hang", "exit", "interrupt", "panic", "cancel", "group"] = "note"
    pad: str = ""


def topic_of(number: int) -> str:
    """Messages go round a few topics; on each they are in order."""
    return f"load/{number % TOPICS}"


def payload_of(number: int) -> bytes:
    """An ordinary message."""
    return b'{"n":%d}' % number


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


class Panic(BaseException):
    """What an extension in Rust raises."""


def panic(kind: str) -> None:
    """Raise it, if it is one of those."""
    if kind == "exit":
        sys.exit("a handler ends the process")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "panic":
        raise Panic("index out of bounds")
    if kind == "group":
        raise BaseExceptionGroup("several", [Panic("one"), SystemExit(2)])
    if kind == "cancel":
        raise asyncio.CancelledError
