from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dskity.modules.lifecycle.order import order


def test_what_depends_on_nothing_keeps_its_place() -> None:
    """The sort is stable."""
    assert order({"b": (), "a": (), "c": ()}).names == ("b", "a", "c")


def test_a_dependency_comes_first() -> None:
    """Also through others."""
    result = order({"web": ("store",), "other": (), "store": ("disk",), "disk": ()})
    assert result.names == ("disk", "store", "web", "other")
    assert result.faults == {}


def test_a_cycle_is_named_with_its_path() -> None:
    """Each module on it is faulty; one that only depends on it is not."""
    result = order({"a": ("b",), "b": ("c",), "c": ("b",)})
    assert result.faults == {
        "b": "it is on a cycle of depends_on: b → c → b",
        "c": "it is on a cycle of depends_on: b → c → b",
    }
    assert set(result.names) == {"a", "b", "c"}


def test_a_module_that_depends_on_itself() -> None:
    """The shortest cycle."""
    assert "a → a" in order({"a": ("a",)}).faults["a"]


def test_a_missing_dependency_is_named_with_the_nearest() -> None:
    """The module that names it is faulty, not those above it."""
    result = order({"web": ("stoer",), "store": (), "top": ("web",)})
    assert result.faults == {
        "web": "its dependency 'stoer' was not found (web → stoer): did you mean 'store'?"
    }
    assert "remove it" in order({"web": ("xyz",)}).faults["web"]


@given(st.lists(st.sets(st.integers(0, 7)), min_size=8, max_size=8))
def test_any_graph_is_sorted(edges: list[set[int]]) -> None:
    """Every name is there once, and after its dependencies where no cycle forbids it."""
    graph = {str(i): [str(t) for t in sorted(targets)] for i, targets in enumerate(edges)}
    result = order(graph)
    assert sorted(result.names) == sorted(graph)
    if not result.faults:
        place = {name: index for index, name in enumerate(result.names)}
        assert all(place[t] < place[name] for name, targets in graph.items() for t in targets)
