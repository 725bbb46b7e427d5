"""What handlers get by the type of a parameter."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest

from dskity.bus.base.threads import ThreadPool
from dskity.modules.providers.handle import Providers
from dskity.modules.providers.provision import NamedType
from dskity.modules.providers.registry import ProviderRegistry

HALF = Fraction(1, 2)


class Text:
    """A type that a module provides."""


def test_a_type_that_is_named_is_found_by_the_type_itself() -> None:
    providers, text = Providers(ProviderRegistry(ThreadPool("tests"))), Text()
    providers.provide(Text, lambda: text)
    providers.provide(NamedType("fractions", "Fraction"), lambda: HALF)
    provided = providers.registry.seen_by("a")
    assert provided[Fraction] is HALF
    assert provided[Text] is text
    assert list(provided) == [Text, Fraction]
    with pytest.raises(KeyError):
        provided[int]


def test_naming_a_type_imports_nothing() -> None:
    """Nor does looking for another one."""
    code = (
        "import sys\n"
        "from dskity.bus.base.threads import ThreadPool\n"
        "from dskity.modules.providers.handle import Providers\n"
        "from dskity.modules.providers.provision import NamedType\n"
        "from dskity.modules.providers.registry import ProviderRegistry\n"
        "providers = Providers(ProviderRegistry(ThreadPool('tests')))\n"
        "providers.provide(NamedType('colorsys', 'Colour'), object)\n"
        "provided = providers.registry.seen_by('a')\n"
        "assert int not in provided and 'colorsys' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
