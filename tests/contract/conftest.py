"""Each test of this folder runs in every cell; `@pytest.mark.needs("promise")` names what it needs.

For a cell that cannot keep the promise the test is not made: `test_promises.py` shows that the cell
says so itself, and `test_cells.py` counts what is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.cells import Cell
from tests.contract.house import House, open_house
from tests.contract.subjects import cells_with


def pytest_configure(config: pytest.Config) -> None:
    """The marker of this folder."""
    config.addinivalue_line("markers", "needs(*promises): runs where the broker keeps them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`cell` is one transport and one broker; a test may list its own."""
    given = metafunc.definition.iter_markers("parametrize")
    if "cell" in metafunc.fixturenames and not any("cell" in mark.args[0] for mark in given):
        marks = metafunc.definition.iter_markers("needs")
        cells = cells_with(need for mark in marks for need in mark.args)
        metafunc.parametrize("cell", cells, ids=str)


@pytest.fixture
async def house(cell: Cell) -> AsyncIterator[House]:
    """The broker, without anything on disk."""
    async with open_house(cell) as house:
        yield house
