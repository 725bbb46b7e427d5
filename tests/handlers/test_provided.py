"""What handlers get by the type of a parameter."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest

from dskity.handlers.provided import Provided

HALF = Fraction(1, 2)


def test_a_type_that_is_named_is_found_by_the_type_itself() -> None:
    provided = Provided()
    provided.add(str, "text")
    provided.add_by_name("fractions", "Fraction", lambda: HALF)
    assert provided[Fraction] is HALF
    assert provided[str] == "text"
    assert list(provided) == [str, Fraction]
    with pytest.raises(KeyError):
        provided[int]


def test_naming_a_type_imports_nothing() -> None:
    """Nor does looking for another one."""
    code = (
        "import sys\n"
        "from dskity.handlers.provided import Provided\n"
        "provided = Provided()\n"
        "provided.add_by_name('colorsys', 'Colour', object)\n"
        "assert int not in provided and 'colorsys' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
