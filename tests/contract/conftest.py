"""Each test of this folder runs in every cell; `@pytest.mark.needs("promise")` names what it needs.

In a cell that cannot keep the promise the test does not run: `test_promises.py` shows that the cell
says so itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.cells import CELLS, Cell, reason_against
from tests.contract.house import House, open_house


def pytest_configure(config: pytest.Config) -> None:
    """The marker of this folder."""
    config.addinivalue_line("markers", "needs(*promises): runs where the broker keeps them")


@pytest.fixture(params=CELLS, ids=str)
def cell(request: pytest.FixtureRequest) -> Cell:
    """One transport and one broker."""
    cell: Cell = request.param
    marker = request.node.get_closest_marker("needs")
    for promise in marker.args if marker else ():
        reason = reason_against(cell, promise)
        if reason is not None:
            pytest.skip(f"{promise}: {reason}")
    return cell


@pytest.fixture
async def house(cell: Cell) -> AsyncIterator[House]:
    """The broker, without anything on disk."""
    async with open_house(cell) as house:
        yield house
