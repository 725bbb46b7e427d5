"""Topic names and filters: MQTT's rules ([MQTT-4.7]), captures, and quoting. Values in, values out.

A *filter pattern* is what users write: an MQTT filter in which `{name}` captures one level and
`{name...}`, at the end, captures the rest (one level or more). `{root}`, as the first level, is no
capture but the level or levels of `bus.root`. A *filter* is what goes on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dskity.bus.base.text import fault_in, percent
from dskity.bus.errors import InvalidTopic

MAX_BYTES = 65_535  # [MQTT-4.7.3-3]
_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}")
_SHARE = "$share/"
ROOT = "root"
"""The name in braces that stands for `bus.root`, and that no capture may have."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed filter pattern.

    `filter` is the MQTT filter; `captures` are (name, level index) pairs; `rest` names the capture
    of all levels from index `rest_from` on, or is None. `rooted` is whether it was written with
    `{root}`, which `text` has the value of.
    """

    text: str
    filter: str
    levels: tuple[str, ...]
    captures: tuple[tuple[str, int], ...] = ()
    rest: str | None = None
    rest_from: int = 0
    rooted: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The capture names, in order of their levels."""
        names = tuple(name for name, _ in self.captures)
        return names if self.rest is None else (*names, self.rest)

    def capture(self, topic: str) -> dict[str, str]:
        """The captured levels of a `topic` that matches."""
        if not self.captures and self.rest is None:
            return {}
        levels = topic.split("/")
        found = {name: levels[index] for name, index in self.captures}
        if self.rest is not None:
            found[self.rest] = "/".join(levels[self.rest_from :])
        return found


def parse(text: str, root: str | None = None) -> Pattern:
    """Parse a filter pattern; `InvalidTopic` says what is wrong and what to write.

    `root` is what `{root}` stands for; without it a pattern with `{root}` is refused.
    """
    _check_common(text, "filter")
    rooted = text.split("/", 1)[0] == f"{{{ROOT}}}"
    if rooted:
        text = _with_root(text, root)
    if text.startswith(_SHARE):
        raise InvalidTopic(
            f"filter {text!r}: write the plain filter and pass group=… instead of $share/"
        )
    levels: list[str] = []
    captures: list[tuple[str, int]] = []
    seen: set[str] = set()
    rest: str | None = None
    parts = text.split("/")
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        match = _CAPTURE.fullmatch(part)
        if match is None:
            levels.append(_check_level(text, part, last=last))
            continue
        name, dots = match.groups()
        if name == ROOT:
            raise InvalidTopic(
                f"filter {text!r}: {part} is the runtime's bus.root, and can only be the whole "
                "first level, as in {root}/kv/expired/#: give this capture another name"
            )
        if name in seen:
            raise InvalidTopic(
                f"filter {text!r} captures {name!r} twice: give each capture its own name"
            )
        seen.add(name)
        if not dots:
            captures.append((name, index))
            levels.append("+")
        elif last:
            rest = name
            levels += ["+", "#"] if _needs_one_level(parts, index) else ["#"]
        else:
            raise InvalidTopic(f"filter {text!r}: {{{name}...}} must be the last level")
    wire = tuple(levels)
    return Pattern(text, "/".join(wire), wire, tuple(captures), rest, len(parts) - 1, rooted)


def _with_root(text: str, root: str | None) -> str:
    if root is None:
        raise InvalidTopic(
            f"filter {text!r}: {{root}} cannot be used here: write the value of bus.root instead"
        )
    text = root + text.removeprefix(f"{{{ROOT}}}")
    _check_common(text, "filter")
    return text


def capture_of(level: str) -> str | None:
    """The name that a level of a pattern captures, or None."""
    match = _CAPTURE.fullmatch(level)
    return None if match is None else match[1]


def _needs_one_level(parts: list[str], index: int) -> bool:
    # `a/#` also matches `a` itself ([MQTT-4.7.1-2]); a capture must have something to capture,
    # so `a/{rest...}` is `a/+/#`. A bare `{rest...}` is `#`: every topic has a level.
    return index > 0 and len(parts) > 1


def _check_level(text: str, part: str, *, last: bool) -> str:
    if "{" in part or "}" in part:
        raise InvalidTopic(
            f"filter {text!r}: {part!r} is not a capture; a capture is a whole level, "
            "{name} or at the end {name...}, and its name a Python identifier"
        )
    if part == "#" and not last:
        raise InvalidTopic(f"filter {text!r}: '#' must be the last level; use '+' for one level")
    if part not in {"#", "+"} and ("#" in part or "+" in part):
        raise InvalidTopic(f"filter {text!r}: a wildcard must be a whole level, not {part!r}")
    return part


def _check_common(text: str, what: str) -> None:
    if not text:
        raise InvalidTopic(f"an empty {what}: write at least one character ([MQTT-4.7.3-1])")
    fault = fault_in(text)
    if fault is not None:
        raise InvalidTopic(f"{what} {text!r} has {fault} ([MQTT-4.7.3-2], 1.5.4): leave it out")
    size = len(text.encode())
    if size > MAX_BYTES:
        raise InvalidTopic(
            f"{what} of {size} bytes: at most {MAX_BYTES} are allowed ([MQTT-4.7.3-3])"
        )


@lru_cache(maxsize=4_096)  # programs publish to the same topics for ever
def check_topic(topic: str) -> str:
    """`topic` if it may be published to; `InvalidTopic` at a wildcard, a leading `$`, or text that
    may not travel (`text.py`)."""
    _check_common(topic, "topic")
    if "+" in topic or "#" in topic:
        raise InvalidTopic(
            f"topic {topic!r} has a wildcard: publish to one topic; quote '+' as %2B and '#' as %23"
        )
    if topic[0] == "$":
        raise InvalidTopic(
            f"topic {topic!r} starts with '$', which is the broker's own: drop the '$'"
        )
    return topic


def is_filter(text: str) -> bool:
    """Whether an MQTT filter, shared or not, keeps the rules ([MQTT-4.7.1], [MQTT-4.8.2-1])."""
    group, plain = split_share(text)
    if not plain or "\0" in plain or (group is not None and (not group or set(group) & set("+#"))):
        return False
    levels = plain.split("/")
    wild = [level for level in levels if "+" in level or "#" in level]
    return set(wild) <= {"+", "#"} and "#" not in levels[:-1]


def matches(filter: str, topic: str) -> bool:
    """Whether an MQTT filter (no captures) matches a topic name ([MQTT-4.7.1], [MQTT-4.7.2-1])."""
    if filter.startswith(_SHARE):
        filter = split_share(filter)[1]
    if topic[:1] == "$" and filter[:1] in {"+", "#"}:
        return False
    wanted = filter.split("/")
    levels = topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in {"+", levels[index]}:
            return False
    return len(levels) == len(wanted)


def share(group: str, filter: str) -> str:
    """The shared-subscription filter (MQTT 5 spec 4.8.2) of a group."""
    if not group or any(character in group for character in "/+#"):
        raise InvalidTopic(
            f"group {group!r}: a share name has at least one character, and no '/', '+' or '#'"
        )
    fault = fault_in(group)
    if fault is not None:
        raise InvalidTopic(f"group {group!r} has {fault}: leave it out")
    return f"{_SHARE}{group}/{filter}"


def split_share(filter: str) -> tuple[str | None, str]:
    """The group (None where the filter is not shared) and the plain filter."""
    if not filter.startswith(_SHARE):
        return None, filter
    group, _, rest = filter[len(_SHARE) :].partition("/")
    return group, rest


def crowded(filters: Iterable[str]) -> set[str]:
    """Of shared filters those whose group has another one before them."""
    firsts: dict[str, str] = {}
    groups = ((split_share(filter)[0], filter) for filter in filters)
    return {
        filter
        for group, filter in groups
        if group is not None and firsts.setdefault(group, filter) != filter
    }


def overlaps(first: str, second: str) -> bool:
    """Whether some topic matches both MQTT filters."""
    a, b = split_share(first)[1].split("/"), split_share(second)[1].split("/")
    if _dollar(a) != _dollar(b) and (a[0] in {"+", "#"} or b[0] in {"+", "#"}):
        return False
    for index in range(max(len(a), len(b))):
        left = a[index] if index < len(a) else None
        right = b[index] if index < len(b) else None
        if left == "#" or right == "#":
            return True
        if left is None or right is None:
            return False
        if left != right and "+" not in {left, right}:
            return False
    return True


def _dollar(levels: list[str]) -> bool:
    return levels[0].startswith("$")


_QUOTED = {"%": "%25", "+": "%2B", "#": "%23"}
# One character of UTF-8, percent-encoded; a surrogate is encoded like any other.
_ENCODED = re.compile(
    "%[0-7][0-9A-F]|%[CD][0-9A-F]%[89AB][0-9A-F]|%E[0-9A-F](?:%[89AB][0-9A-F]){2}"
    "|%F[0-7](?:%[89AB][0-9A-F]){3}"
)


def quote(text: str) -> str:
    """A key or name as topic levels: `+ # %` and what may not travel (`text.py`) percent-encoded;
    an empty level becomes `%`.

    `/` stays, so keys make a tree. `%` alone, never made by encoding a character, marks the empty
    level, which no topic tree shows well.
    """
    return "/".join(level or "%" for level in _escape(text).split("/"))


def quote_level(text: str) -> str:
    """As `quote`, for what has to be one level: `/` becomes `%2F`."""
    return _escape(text).replace("/", "%2F") or "%"


def _escape(text: str) -> str:
    return percent("".join(_QUOTED.get(character, character) for character in text))


def unquote(topic: str) -> str:
    """The text that `quote` or `quote_level` made `topic` from."""
    levels = ["" if level == "%" else level for level in topic.split("/")]
    return _ENCODED.sub(_decoded, "/".join(levels))


def _decoded(found: re.Match[str]) -> str:
    """The character, where it is one that is quoted; others a stranger may have encoded."""
    try:
        character = bytes.fromhex(found[0].replace("%", "")).decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return found[0]
    quoted = character in _QUOTED or character == "/" or fault_in(character) is not None
    return character if quoted else found[0]
