"""Topic names and filters, against MQTT's rules and the examples of its specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus import topics
from dskity.bus.errors import InvalidTopic
from dskity.bus.routing.router import Router

# MQTT 5 specification, 4.7.1 and 4.7.2: every example there.
SPEC = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/#", "sport", True),
    ("#", "sport/tennis", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/monitor/Clients", False),
    ("+/monitor/Clients", "$SYS/monitor/Clients", False),
    ("$SYS/#", "$SYS/monitor/Clients", True),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ("ACCOUNTS", "Accounts", False),
]

level = st.text(alphabet="ab$ é", max_size=3)
topic_names = (
    st.lists(level, min_size=1, max_size=5).map("/".join).filter(lambda topic: topic != "")
)
filters = (
    st.tuples(
        st.lists(st.one_of(level, st.just("+")), min_size=1, max_size=5), st.sampled_from(["", "#"])
    )
    .map(lambda parts: "/".join([*parts[0], *([parts[1]] if parts[1] else [])]))
    .filter(bool)
)


@pytest.mark.parametrize(("filter", "topic", "expected"), SPEC)
def test_filters_match_as_the_specification_says(filter: str, topic: str, expected: bool) -> None:
    assert topics.matches(filter, topic) is expected


@given(st.lists(filters, max_size=8), topic_names)
def test_the_router_finds_exactly_the_filters_that_match(found: list[str], topic: str) -> None:
    """The trie and the plain matcher are two writings of one rule."""
    router: Router[tuple[int, str]] = Router()
    routes = [(index, text) for index, text in enumerate(found)]
    for route in routes:
        router.add(topics.parse(route[1]), route)
    for _ in range(2):  # from the trie, then from the cache
        assert [route for route, _ in router.find(topic)] == [
            route for route in routes if topics.matches(route[1], topic)
        ]


@given(st.lists(filters, min_size=1, max_size=6), topic_names)
def test_a_removed_route_is_found_no_more(texts: list[str], topic: str) -> None:
    router: Router[list[str]] = Router()
    routes = [(topics.parse(text), [text]) for text in texts]
    for pattern, route in routes:
        router.add(pattern, route)
    router.find(topic)
    for pattern, route in routes:
        router.remove(pattern, route)
    assert router.find(topic) == ()
    assert len(router) == 0
    assert router._root.children == {}


@given(filters, filters, topic_names)
def test_filters_that_share_a_topic_overlap(first: str, second: str, topic: str) -> None:
    if topics.matches(first, topic) and topics.matches(second, topic):
        assert topics.overlaps(first, second)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/+", "+/b", True),
        ("a/#", "a", True),
        ("a/b", "a/c", False),
        ("#", "$SYS/x", False),
        ("$SYS/#", "$SYS/+", True),
        ("a/+/c", "a/b", False),
        ("$share/g/a/+", "a/b", True),
    ],
)
def test_overlap_is_symmetric(first: str, second: str, expected: bool) -> None:
    assert topics.overlaps(first, second) is expected
    assert topics.overlaps(second, first) is expected


def test_a_capture_takes_one_level() -> None:
    pattern = topics.parse("devices/{device}/telemetry/{sensor}")
    assert pattern.filter == "devices/+/telemetry/+"
    assert pattern.capture("devices/d1/telemetry/t") == {"device": "d1", "sensor": "t"}


def test_a_rest_capture_takes_one_level_or_more() -> None:
    pattern = topics.parse("files/{path...}")
    assert pattern.filter == "files/+/#"
    assert pattern.capture("files/a/b/c") == {"path": "a/b/c"}
    assert not topics.matches(pattern.filter, "files")
    assert topics.parse("{all...}").filter == "#"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "at least one character"),
        ("a/#/c", "'#' must be the last level"),
        ("a#", "whole level"),
        ("a+/b", "whole level"),
        ("a\0", "NUL"),
        ("a/{b", "not a capture"),
        ("a/x{b}", "not a capture"),
        ("{b}/{b}", "twice"),
        ("{b...}/c", "must be the last level"),
        ("$share/g/a", "group="),
        ("a" * 65_536, "65535"),
        ("\ud800", "lone surrogate U+D800"),
        ("a/\x1b]0;", "control character U+001B"),
        ("a\ufffe", "non-character U+FFFE"),
    ],
)
def test_an_invalid_filter_says_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(InvalidTopic) as caught:
        topics.parse(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("topic", "hint"),
    [("a/+", "%2B"), ("#", "%23"), ("$SYS/x", "'$'"), ("", "at least one"), ("a\0b", "NUL")],
)
def test_a_topic_that_cannot_be_published_to_says_why(topic: str, hint: str) -> None:
    with pytest.raises(InvalidTopic) as caught:
        topics.check_topic(topic)
    assert hint in str(caught.value)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_quoting_makes_a_topic_and_comes_back(text: str) -> None:
    quoted = topics.quote(text)
    topics.check_topic("x/" + quoted)
    assert "" not in quoted.split("/")
    assert topics.unquote(quoted) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_anything_quotes_into_one_level_and_comes_back(text: str) -> None:
    quoted = topics.quote_level(text)
    topics.check_topic(quoted if quoted[0] != "$" else f"x/{quoted}")
    assert "/" not in quoted
    assert topics.unquote(quoted) == text


@pytest.mark.parametrize("group", ["", "a/b", "a+", "#"])
def test_a_group_name_is_checked(group: str) -> None:
    with pytest.raises(InvalidTopic, match="group"):
        topics.share(group, "a")
