"""What the tables leave out of the matrix, as figures: a cell does not get lost unseen."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.cells import CANNOT, CELLS, UNTOLD, Cell
from tests.contract.subjects import SUBJECTS, cells_with, reason_to_leave_out

LEFT_OUT = {
    "a limit on packets": 5,
    "a network": 1,
    "a session that ends": 1,
    "a slow reconnect": 1,
    "access rules": 4,
    "expiry": 2,
    "headers": 2,
    "keep alive": 1,
    "long queues": 1,
    "lowers_qos": 1,
    "marks_duplicates": 1,
    "one broker": 5,
    "opens_window": 1,
    "passwords": 4,
    "queues of groups": 1,
    "replaces_subscriptions": 1,
    "reports_no_match": 3,
    "retains_as_published": 1,
    "sessions on disk": 4,
    "shares_filters": 1,
    "unsubscribes_resumed": 1,
}
"""By need, how many of the cells do not have it."""


def _modules() -> list[ModuleType]:
    here = Path(__file__).parent
    files = (path.relative_to(here) for path in sorted(here.rglob("test_*.py")))
    names = (".".join(("tests.contract", *path.with_suffix("").parts)) for path in files)
    return [importlib.import_module(name) for name in names]


def _needs(made: object) -> list[str]:
    """What the marks of a test, or of its module, name."""
    marks = getattr(made, "pytestmark", [])
    marks = marks if isinstance(marks, list) else [marks]
    return [need for mark in marks if mark.name == "needs" for need in mark.args]


def _tests() -> dict[str, list[Cell]]:
    return {
        f"{module.__name__}.{name}": cells_with([*_needs(module), *_needs(test)])
        for module in _modules()
        for name, test in vars(module).items()
        if name.startswith("test_") and callable(test)
    }


def test_each_need_leaves_out_the_cells_that_are_counted_here() -> None:
    promises = {name for table in (CANNOT, UNTOLD) for row in table.values() for name in row}
    counted = Counter(
        need
        for need in promises | set(SUBJECTS)
        for cell in CELLS
        if reason_to_leave_out(cell, need)
    )
    assert dict(sorted(counted.items())) == LEFT_OUT


def test_55_pairs_of_a_test_and_a_cell_are_left_out() -> None:
    assert sum(len(CELLS) - len(cells) for cells in _tests().values()) == 55


def test_no_test_is_without_a_cell_and_some_are_in_all() -> None:
    tests = _tests()
    assert all(tests.values())
    assert list(CELLS) in tests.values()


def test_every_subject_is_one_of_a_test() -> None:
    named = {
        need
        for module in _modules()
        for made in (module, *vars(module).values())
        for need in _needs(made)
    }
    assert set(SUBJECTS) <= named


def test_a_need_that_no_table_has_is_an_error() -> None:
    """A word that is written wrong would leave out nothing."""
    with pytest.raises(LookupError, match="no table of tests/contract"):
        reason_to_leave_out(CELLS[0], "redelivary")
