"""Modules that others may write: a warning, and refused where root runs them."""

from __future__ import annotations

import grp
import logging
import os
import pwd
from pathlib import Path

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.modules.lifecycle import trust
from dskity.modules.lifecycle.discovery import discover
from dskity.modules.lifecycle.trust import exposed
from tests.modules.conftest import Folder
from tests.modules.test_discovery import HEALTH, only

ROOT = os.geteuid() == 0
SOMEBODY = 12_345


@pytest.fixture
def modules(folder: Folder) -> Path:
    """A search path with a module in a folder of its own, and a file beside it."""
    folder.write("health/module.py", HEALTH)
    folder.write("health/parts/valve.py", "")
    folder.write("_shared.py", "")
    return Path(folder.path)


@pytest.mark.parametrize(
    "path",
    ["", "health", "health/module.py", "health/parts", "health/parts/valve.py", "_shared.py"],
)
@pytest.mark.parametrize("bits", [0o777, 0o707])
def test_code_that_others_may_write_is_found(modules: Path, path: str, bits: int) -> None:
    """The search path, a folder in it, a module, and what a module may import."""
    assert exposed(modules) is None
    (modules / path).chmod(bits)
    assert exposed(modules) == f"{modules / path} may be written by every user (mode {bits:04o})"


@pytest.mark.skipif(not ROOT, reason="only root can give a file away")
def test_code_of_somebody_else_is_found(modules: Path) -> None:
    """Whatever its mode: its owner can change that."""
    os.chown(modules / "health", SOMEBODY, 0)
    assert exposed(modules) == f"{modules / 'health'} belongs to the user {SOMEBODY}"


def test_data_and_hidden_folders_are_no_code(modules: Path) -> None:
    """Nobody imports them."""
    (modules / ".git").mkdir(mode=0o700)
    (modules / ".git" / "hook.py").touch(0o600)
    (modules / ".git" / "hook.py").chmod(0o777)
    (modules / "health" / "readings.csv").touch()
    (modules / "health" / "readings.csv").chmod(0o666)
    (modules / "nowhere.py").symlink_to("gone")
    assert exposed(modules) is None


def test_a_group_that_is_its_users_own_counts_as_the_user(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many systems make one for each user, with umask 002; any other group is others."""
    (modules / "health").chmod(0o775)
    own = pwd.getpwuid(os.geteuid())
    gid = (modules / "health").stat().st_gid
    for members, fault in (([], False), ([own.pw_name], False), (["eve"], True)):
        group = grp.struct_group((own.pw_name, "x", gid, members))
        monkeypatch.setattr("grp.getgrgid", lambda _, group=group: group)
        trust._is_private.cache_clear()
        assert (exposed(modules) is not None) is fault, members
    monkeypatch.setattr(
        "grp.getgrgid", lambda _: grp.struct_group(("staff", "x", gid, [own.pw_name]))
    )
    trust._is_private.cache_clear()
    assert exposed(modules) == f"{modules / 'health'} may be written by the group {gid} (mode 0775)"
    trust._is_private.cache_clear()


@pytest.mark.parametrize(
    ("policy", "euid", "runs"),
    [
        ("auto", 1000, True),
        ("auto", 0, False),
        ("refuse", 1000, False),
        ("refuse", 0, False),
        ("allow", 0, True),
    ],
)
def test_it_is_warned_of_and_refused_under_root(
    modules: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    policy: trust.Policy,
    euid: int,
    runs: bool,
) -> None:
    """What is refused is one failed module, not imported; the reason says what to do."""
    (modules / "_shared.py").chmod(0o666)
    owner = (modules / "_shared.py").stat().st_uid
    if euid == 0 and owner != 0:
        pytest.skip("root runs files of root here")
    monkeypatch.setattr("os.geteuid", lambda: owner or euid)
    with caplog.at_level(logging.WARNING):
        found = only(discover([modules], writable_by_others=policy))
    assert found.name == "health"
    if runs:
        assert found.error is None
        assert "_shared.py may be written by every user (mode 0666)" in caplog.text
    else:
        assert found.module is None
        assert "set modules_writable_by_others to allow" in str(found.error)
        assert "chmod go-w" in str(found.error)


def test_a_module_that_is_switched_off_is_only_listed(modules: Path) -> None:
    """It runs nothing, so it is no failure."""
    modules.chmod(0o777)
    found = only(discover([modules], disabled={"health"}, writable_by_others="refuse"))
    assert (found.error, found.module) == (None, None)


def test_the_setting_has_three_values() -> None:
    """And by default root runs nothing that others may write."""
    assert DSkitySettings.isolated().modules_writable_by_others == "auto"
    with pytest.raises(InvalidSettings, match="modules_writable_by_others"):
        DSkitySettings.isolated(modules_writable_by_others="yes")
