"""One rule: which topics it takes, and what they are called on the other side. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

from dskity.bus import topics
from dskity.bus.errors import InvalidInput, InvalidTopic


@dataclass(frozen=True, slots=True)
class Rule:
    """What matches `filter` on the connection `source` goes to the connection `target`.

    The levels `strip`, with which every topic of the filter must begin, are left out, then the
    levels `prefix` are put in front. `qos` is that of the subscription, and so the highest that
    is carried. `retain` None carries the flag as it comes; True or False sets it.
    """

    source: str
    target: str
    filter: str
    prefix: str = ""
    strip: str = ""
    qos: int = 1
    retain: bool | None = None
    pattern: topics.Pattern = field(init=False, repr=False)
    output: str = field(init=False, repr=False)
    """An MQTT filter of all topics that it may publish on."""

    def __post_init__(self) -> None:
        pattern = topics.parse(self.filter)
        stripped = check_levels(self.strip).split("/") if self.strip else []
        kept = pattern.levels[len(stripped) :]
        if list(pattern.levels[: len(stripped)]) != stripped or not kept:
            raise InvalidTopic(
                f"strip {self.strip!r} is not how the topics of {self.filter!r} begin: "
                f"write filter: {self.strip}/#, or leave strip out"
            )
        if self.source == self.target and self.prefix == self.strip:
            raise InvalidInput(
                f"from and to are both {self.source!r}, so each message would come back: "
                "use another connection, or a prefix"
            )
        output = "/".join([check_levels(self.prefix), *kept] if self.prefix else kept)
        object.__setattr__(self, "pattern", pattern)
        object.__setattr__(self, "output", output)

    def __str__(self) -> str:
        return f"{self.source} → {self.target}, filter {self.filter!r}"

    def renamed(self, topic: str) -> str | None:
        """What a matching `topic` is called on the other side.

        None where nothing can be published so: `#` also matches the level before it, of which
        `strip` may leave nothing, and what is left may begin with `$`.
        """
        rest: str | None = topic
        if self.strip:
            rest = None if topic == self.strip else topic.removeprefix(f"{self.strip}/")
        name = "/".join(part for part in (self.prefix or None, rest) if part is not None)
        try:
            return topics.check_topic(name)
        except InvalidTopic:
            return None

    def takes(self, topic: str, root: str) -> bool:
        """Whether a topic that matches is meant: our own are where the filter spells them out.

        Replies go to one client of one broker, and the events below `root` tell of things there.
        """
        return not any(
            topic.startswith(own) and not self.filter.startswith(own)
            for own in (f"{root}/", f"{root}/reply/")
        )


def check_levels(text: str) -> str:
    """`text` if it can stand in front of a topic: levels, none of them empty."""
    topics.check_topic(text)
    if "" in text.split("/") or "{" in text or "}" in text:
        raise InvalidTopic(
            f"{text!r} is not topic levels: write them as in site/7, without braces, and without "
            "'/' at either end"
        )
    return text
