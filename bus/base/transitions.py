"""What follows what in a table of states: one look-up, and one error for what a table lacks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class ImpossibleTransition(RuntimeError):
    """An event that the table does not have in this state: a fault of this program."""


def following(table: Mapping[S, Mapping[E, S]], state: S, event: E, *, whose: str) -> S:
    """The state after an event; raises `ImpossibleTransition` for what the table does not have.
    `whose` is what has the states, with its article."""
    found = table[state].get(event)
    if found is None:
        raise ImpossibleTransition(f"{whose} that is {state} cannot take {event}")
    return found
