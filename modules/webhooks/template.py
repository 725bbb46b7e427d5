"""The topic of a delivery: a template whose levels in braces are filled, each with one level."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from dskity.bus import topics
from dskity.bus.errors import InvalidTopic


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """A topic with `{name}` as whole levels."""

    levels: tuple[str, ...]
    names: Mapping[int, str]

    @classmethod
    def parse(cls, text: str, known: Collection[str]) -> Self:
        """The template in `text`; `InvalidTopic` where it makes no topic, or asks too much."""
        pattern = topics.parse(text)
        if pattern.rest is not None:
            raise InvalidTopic(f"{text!r}: a value fills one level: write {{{pattern.rest}}}")
        for name in pattern.names:
            if name not in known:
                fillable = ", ".join(f"{{{name}}}" for name in sorted(known))
                raise InvalidTopic(f"{text!r}: {{{name}}} is never filled; there are {fillable}")
        names = {index: name for name, index in pattern.captures}
        filled = ("x" if index in names else level for index, level in enumerate(pattern.levels))
        topics.check_topic("/".join(filled))
        return cls(pattern.levels, names)

    def fill(self, values: Mapping[str, str]) -> str:
        """The topic; a value becomes one level, whatever is in it."""
        return "/".join(
            _level(values[self.names[index]]) if index in self.names else level
            for index, level in enumerate(self.levels)
        )


def _level(value: str) -> str:
    return topics.quote_level(value).replace("$", "%24")  # `$` would leave our tree
