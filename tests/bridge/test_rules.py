"""What a rule takes and calls it, and which rules would go round: values only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dskity.bus.errors import InvalidInput, InvalidTopic
from dskity.bus.topics import matches
from dskity.modules.bridge import Rule, refuse_loops
from dskity.modules.bridge.hops import HEADER, has_passed, hop, stamped

LEVELS = st.sampled_from(["a", "b", "c", ""])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)


def up(filter: str = "#", **words: Any) -> Rule:
    return Rule("edge", "cloud", filter, **words)


def down(filter: str = "#", **words: Any) -> Rule:
    return Rule("cloud", "edge", filter, **words)


@pytest.mark.parametrize(
    ("rule", "topic", "name"),
    [
        (up("a/#"), "a/b", "a/b"),
        (up("a/#", prefix="site/7"), "a/b", "site/7/a/b"),
        (up("site/7/#", strip="site/7"), "site/7/a", "a"),
        (up("site/7/#", strip="site/7", prefix="s7"), "site/7/a", "s7/a"),
        (up("site/#", strip="site", prefix="s7"), "site", "s7"),
        (up("site/#", strip="site"), "site", None),
        (up("site/#", strip="site"), "site/$SYS/load", None),
        (up("site/#", strip="site"), "site//x", "/x"),
        (up("devices/{device}/state", prefix="in"), "devices/d/state", "in/devices/d/state"),
    ],
)  # fmt: skip
def test_a_topic_is_renamed(rule: Rule, topic: str, name: str | None) -> None:
    assert rule.renamed(topic) == name


@given(TOPICS, st.sampled_from(["#", "a/#", "+/b/#", "+"]), st.sampled_from(["", "x", "x/y"]))
def test_what_a_rule_publishes_matches_its_output(topic: str, filter: str, prefix: str) -> None:
    """The static check of loops stands on it."""
    rule = up(filter, prefix=prefix)
    if matches(filter, topic):
        name = rule.renamed(topic)
        assert name is not None
        assert matches(rule.output, name)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ({"filter": "a/#/b"}, "'#' must be the last level"),
        ({"filter": "a/#", "strip": "b"}, "write filter: b/#"),
        ({"filter": "+/x", "strip": "a"}, "write filter: a/#"),
        ({"filter": "a", "strip": "a"}, "write filter: a/#"),
        ({"filter": "#", "prefix": "a/"}, "not topic levels"),
        ({"filter": "#", "prefix": "a/+"}, "wildcard"),
        ({"filter": "#", "prefix": "$SYS"}, r"drop the '\$'"),
        ({"filter": "#", "prefix": "{a}"}, "without braces"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(words: dict[str, Any], fix: str) -> None:
    with pytest.raises(InvalidTopic, match=fix):
        up(**words)


@pytest.mark.parametrize("words", [{}, {"strip": "a", "prefix": "a"}])
def test_from_and_to_one_broker_needs_another_name(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="from and to are both 'edge'"):
        Rule("edge", "edge", "a/#", **words)


@pytest.mark.parametrize(
    ("filter", "topic", "taken"),
    [
        ("#", "a", True),
        ("#", "dskity/modules/m/started", False),
        ("#", "dskity/reply/x/1", False),
        ("+/#", "dskity/registry/a/b", False),
        ("dskity/#", "dskity/registry/a/b", True),
        ("dskity/registry/#", "dskity/registry/a/b", True),
        ("dskity/#", "dskity/reply/x/1", False),
        ("dskity/reply/x/#", "dskity/reply/x/1", True),
        ("#", "dskityish/a", True),
    ],
)
def test_our_own_topics_are_taken_only_where_they_are_spelled_out(
    filter: str, topic: str, taken: bool
) -> None:
    assert up(filter).takes(topic, "dskity") is taken


@pytest.mark.parametrize(
    "rules",
    [
        [up("a/#"), down("b/#")],
        [up("#", prefix="edge"), down("cloud/#")],
        [up("up/#"), down("down/#"), Rule("cloud", "third", "#")],
        [up("a/+"), down("a/+/x")],
        [Rule("edge", "edge", "a/#", prefix="b")],
        [up("a/#"), up("a/#", prefix="copy")],
        [up("a/{device}", prefix="in"), down("in/+/b/c")],
        [],
    ],
)
def test_rules_that_end_are_let_through(rules: list[Rule]) -> None:
    refuse_loops(rules)


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ([up("a/#"), down("#")], "bridge.0 (edge → cloud, filter 'a/#') and bridge.1"),
        ([up("x"), up("a/+"), down("+/b")], "bridge.1 (edge → cloud, filter 'a/+') and bridge.2"),
        ([up(prefix="e"), down(prefix="c")], "bridge.0"),
        ([up("s/#", prefix="e"), down("e/#", strip="e")], "make a loop"),
        ([Rule("edge", "edge", "#", prefix="b")], "narrow its filter"),
        (
            [up("a/#"), Rule("cloud", "third", "a/b"), Rule("third", "edge", "+/b")],
            "bridge.1 (cloud → third, filter 'a/b') and bridge.2 (third → edge, filter '+/b')",
        ),
    ],
)
def test_rules_that_go_round_are_refused_with_their_names(rules: list[Rule], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        refuse_loops(rules)
    assert named in str(caught.value)
    assert "narrow" in str(caught.value)


def test_the_hops_name_rules_of_runtimes() -> None:
    """Whatever is in a client id: it cannot be mistaken for another."""
    first, second = hop("edge,1:2", 0), hop("edge", 1)
    headers = stamped(stamped({"a": "b"}, first), second)
    assert headers == {"a": "b", HEADER: "edge%2C1%3A2:0,edge:1"}
    assert has_passed(headers, first)
    assert has_passed(headers, second)
    assert not has_passed(headers, hop("edge", 0))
    assert not has_passed({}, first)
