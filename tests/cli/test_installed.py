"""Commands of installed packages: the entry-point group `dskity.commands`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Dskity
from tests.providers.packages import Site, site

CODE = """
    import typer
    from dskity import NotFound

    def greet(name: str, loud: bool = False) -> None:
        \"\"\"Greet somebody.\"\"\"
        typer.echo(f"hello {name}".upper() if loud else f"hello {name}")

    def fail() -> None:
        raise NotFound("nobody is here")

    group = typer.Typer()

    @group.command()
    def one() -> None:
        typer.echo("one")

    @group.command()
    def two() -> None:
        typer.echo("two")

    number = 7
"""
POINTS = """
    [dskity.commands]
    greet = acme_cli:greet
    fail = acme_cli:fail
    group = acme_cli:group
    number = acme_cli:number
    gone = no_such_thing:main
    list = acme_cli:greet
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Site]:
    """A package with these commands."""
    with site(tmp_path / "site") as packages:
        packages.install("dskity-acme", POINTS, {"acme_cli.py": CODE})
        yield packages


@pytest.mark.usefixtures("package")
def test_a_command_of_an_installed_package_runs(dskity: Dskity) -> None:
    """A function with arguments and options, or a group of commands."""
    assert dskity("greet", "ann", "--loud").stdout == "HELLO ANN\n"
    assert dskity("group", "two").stdout == "two\n"
    assert "Greet somebody." in dskity("greet", "--help").stdout


@pytest.mark.usefixtures("package")
def test_help_names_it_with_its_package_and_imports_nothing(dskity: Dskity) -> None:
    """A package that is slow to import delays no other command."""
    shown = dskity("--help").stdout
    assert "greet" in shown
    assert "Command of dskity-acme 1.2." in shown
    dskity("list")
    assert "acme_cli" not in sys.modules


@pytest.mark.usefixtures("package")
def test_an_error_of_ours_in_it_is_exit_code_1(dskity: Dskity) -> None:
    result = dskity("fail")
    assert (result.exit_code, result.stderr) == (1, "error: nobody is here\n")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gone", "the command 'gone' of dskity-acme 1.2 cannot be imported: ModuleNotFoundError"),
        ("number", "acme_cli:number is neither a function nor a typer.Typer"),
    ],
)
def test_a_broken_one_fails_alone(dskity: Dskity, name: str, expected: str) -> None:
    """With the package in the error; the others run."""
    result = dskity(name)
    assert result.exit_code == 1
    assert expected in result.stderr
    assert dskity("greet", "ann").exit_code == 0


@pytest.mark.usefixtures("package")
def test_a_built_in_command_keeps_its_name(dskity: Dskity) -> None:
    assert "no modules in modules" in dskity("list").stderr
