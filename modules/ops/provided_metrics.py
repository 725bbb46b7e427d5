"""The metrics of modules, checked: a scraper refuses the whole page for one wrong line, and the
page is for all."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from dskity.bus.base.throttled_log import Pace
from dskity.bus.base.wording import in_words, shown
from dskity.modules.extensions import Metric, Metrics

MOST_METRICS = 1_000
"""Metrics of one source; an iterator without an end would hold the event loop for ever."""
MOST_VALUES = 10_000
"""Values of one metric: about 0.5 MB of the page."""
HELD_SECONDS = 0.25
"""A source that holds the event loop longer is logged, as a handler is."""
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = "dskity_"
_WHOLE = 2**63
"""Above it an integer is written as the 64-bit float that a scraper reads."""
_logger = logging.getLogger(__name__)
_Said = Callable[[str, str], None]


def read_provided(sources: Mapping[str, Metrics], pace: Pace) -> Iterator[Metric]:
    """The metrics of modules, as plain texts and numbers. Those that a scraper would refuse the
    whole page for, and a source that fails, are left out, and logged once a minute."""
    names: set[str] = set()
    for source, metrics in sources.items():

        def say(key: str, text: str, source: str = source) -> None:
            if pace.is_due(f"{source} {key}"):
                _logger.warning("metrics %s%s", source, text)

        for metric in _called(metrics, say):
            try:
                checked = _checked(metric, names)
            except BaseException as error:  # noqa: BLE001  # its values may be of a module's classes
                name = shown(metric[0])
                say(name, f": {name} {error if type(error) is _Refused else in_words(error)}")
            else:
                names.add(checked.name)
                yield checked


class _Refused(Exception):
    """Why a metric is left out, as what follows its name."""


def _called(metrics: Metrics, say: _Said) -> list[Any]:
    """What the source returns now. It is called on the event loop, where nothing can cancel it, so
    whatever it raises is its own error, `SystemExit` too."""
    started = time.perf_counter()
    try:
        found = [Metric(*metric) for metric in islice(metrics(), MOST_METRICS + 1)]
    except BaseException as error:  # noqa: BLE001  # a module's own code
        say("", f" cannot be read: {in_words(error)}")
        return []
    held = time.perf_counter() - started
    if held > HELD_SECONDS:
        say("held", f" held the event loop for {held * 1000:.0f} ms: return numbers that are there")
    if len(found) > MOST_METRICS:
        say("most", f": only the first {MOST_METRICS} metrics are read")
    return found[:MOST_METRICS]


def _checked(metric: Any, names: Collection[str]) -> Metric:
    name, kind, help, value, label = metric
    _refuse_name(name, names)
    if kind not in ("counter", "gauge"):
        raise _Refused(f"is a {kind}: write counter or gauge")
    if not isinstance(help, str):
        raise _Refused("has a help that is no text")
    if not isinstance(value, Mapping):
        return Metric(name, kind, help, _number(value))
    if not (isinstance(label, str) and _NAME.fullmatch(label)) or label.startswith("__"):
        raise _Refused(f"has the label {label!r}: write letters, digits and _")
    if len(value) > MOST_VALUES:
        raise _Refused(f"has more than {MOST_VALUES} values")
    return Metric(name, kind, help, dict(_labelled(value.items())), label)


def _refuse_name(name: object, names: Collection[str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _Refused("is no name: write letters, digits and _")
    if name.startswith(_OURS):
        raise _Refused(f"begins with {_OURS}, as only our own do: write another name")
    if name in names:
        raise _Refused("is there twice")


def _labelled(items: Iterable[tuple[object, object]]) -> Iterator[tuple[str, float]]:
    for text, value in items:
        if not isinstance(text, str):
            raise _Refused("has a value of its label that is no text")
        yield text, _number(value)


def _number(value: object) -> float:
    """As `int` or `float` itself: True, or a number of another class, may be written otherwise."""
    if not isinstance(value, int | float):
        raise _Refused("is no number")
    if isinstance(value, int) and -_WHOLE < value < _WHOLE:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        raise _Refused("is too large for a 64-bit float") from None
