from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus import topics
from dskity.bus.errors import InvalidTopic
from dskity.modules.webhooks.template import TopicTemplate

KNOWN = ("event", "source", "id", "type")


def filled(text: str, **values: str) -> str:
    return TopicTemplate.parse(text, KNOWN).fill(values)


def test_levels_in_braces_are_filled() -> None:
    """Others stay as they are."""
    assert filled("hooks/github/{event}", event="push") == "hooks/github/push"
    assert filled("{source}/{type}", source="stripe", type="invoice.paid") == "stripe/invoice.paid"
    assert filled("fixed") == "fixed"


@pytest.mark.parametrize(
    ("value", "level"),
    [("a/b", "a%2Fb"), ("+", "%2B"), ("#", "%23"), ("$SYS", "%24SYS"), ("%2F", "%252F"), ("", "%")],
)
def test_a_value_cannot_leave_its_level(value: str, level: str) -> None:
    """Separators, wildcards, `$` and percent signs are encoded; an empty one is `%`."""
    assert filled("{type}/x", type=value) == f"{level}/x"


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_whatever_is_filled_in_is_one_level_of_a_valid_topic(value: str) -> None:
    """And different values make different topics."""
    topic = filled("{type}/x", type=value)
    topics.check_topic(topic)
    assert topics.matches("+/x", topic)
    assert topic != filled("{type}/x", type=value + "y")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hooks/{nothing}", "{nothing} is never filled; there are {event}, {id}"),
        ("hooks/{rest...}", "one level: write {rest}"),
        ("hooks/{type...}", "one level: write {type}"),
        ("hooks/+", "wildcard"),
        ("hooks/#", "wildcard"),
        ("$SYS/{type}", "'\\$'"),
        ("hooks-{type}", "whole level"),
        ("", "empty"),
    ],
)
def test_a_bad_template_is_refused_with_the_mend(text: str, says: str) -> None:
    """When the settings are read, not when the first delivery comes."""
    with pytest.raises(InvalidTopic, match=says):
        TopicTemplate.parse(text, KNOWN)
