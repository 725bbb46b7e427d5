"""Rules that would carry a message round for ever are refused before anything is carried."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dskity.bus.errors import InvalidInput
from dskity.bus.topics import overlaps
from dskity.modules.bridge.rule import Rule


def refuse_loops(rules: Sequence[Rule]) -> None:
    """`InvalidInput` names the rules of the shortest loop, as `bridge.0`, and the fix."""
    loops = [found for start in range(len(rules)) if (found := _loop(rules, start))]
    if not loops:
        return
    named = [f"bridge.{index} ({rules[index]})" for index in min(loops, key=len)]
    if len(named) == 1:
        raise InvalidInput(
            f"{named[0]} takes its own messages again, without end: "
            "narrow its filter, or choose a prefix that the filter does not match"
        )
    raise InvalidInput(
        f"{' and '.join(named)} make a loop, in which each takes the messages of the one "
        "before: narrow a filter, or add a prefix that the other filter does not match"
    )


def _loop(rules: Sequence[Rule], start: int) -> list[int]:
    """The shortest way from a rule back to itself, by breadth; empty where there is none.

    It asks of each pair of rules whether some topic passes both, not whether one topic passes all:
    a loop is never missed, and a set of three or more rules may be refused that would just be safe.
    """
    ways = deque([[start]])
    seen: set[int] = set()
    while ways:
        way = ways.popleft()
        for following, rule in enumerate(rules):
            if following in seen or not _feeds(rules[way[-1]], rule):
                continue
            if following == start:
                return way
            seen.add(following)
            ways.append([*way, following])
    return []


def _feeds(first: Rule, second: Rule) -> bool:
    return first.target == second.source and overlaps(first.output, second.pattern.filter)
