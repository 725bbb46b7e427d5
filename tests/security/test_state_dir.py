"""`state_dir` is for one user alone: what somebody else could have put there is refused."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dskity.bus.errors import InvalidSettings, StateUnusable
from dskity.bus.store.database import Database
from dskity.composition.auth import guarding
from dskity.config import DSkitySettings
from dskity.config.sections.security import SecuritySettings
from dskity.modules.access.token_file import load_or_create_token
from dskity.process.state_dir import StateDir
from tests.runtime.house import started

SOMEBODY = 12_345
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder as a runtime has made it."""
    folder = tmp_path / "state"
    with StateDir(folder) as made:
        made.client_id()
    load_or_create_token(folder / "token")
    return folder


@pytest.fixture(params=[0o000, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of the process, for the test."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_a_runtime_makes_a_folder_and_files_for_its_user_alone(tmp_path: Path) -> None:
    """Folders 0700 and files 0600, at any umask: databases with their side files, and the rest."""
    folder = tmp_path / "state"
    with StateDir(folder) as state:
        state.client_id()
        guarding(SecuritySettings(), folder)
        database = Database(folder / "a.db", what="a", schema="CREATE TABLE t (x)")
        await database.open()
        try:
            await database.run(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
            found = {path.name: mode(path) for path in folder.iterdir()}
        finally:
            await database.close()
    assert mode(folder) == 0o700
    names = {"lock", "client_id", "token", "a.db", "a.db-wal", "a.db-shm"}
    assert found == dict.fromkeys(names, 0o600)


async def test_all_that_a_whole_runtime_keeps_is_for_its_user_alone(tmp_path: Path) -> None:
    """Outbox, inbox, seen keys, dead letters, webhooks and the broker's folder."""
    source = {"preset": "none", "topic": "hooks/x"}
    async with started(tmp_path, broker={"engine": "builtin"}, webhooks={"x": source}):
        modes = {
            str(path.relative_to(tmp_path)): mode(path) for path in (tmp_path / "state").rglob("*")
        }
    expected = {"outbox.db", "inbox.db", "seen.db", "webhooks.db", "lock", "client_id", "token"}
    assert expected <= {Path(name).name for name in modes}
    assert {name for name, bits in modes.items() if bits & 0o077} == set()


def test_a_wider_folder_of_ours_is_tightened_and_said_so(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As an earlier version, or `mkdir`, made it: others could read, and not write."""
    state.chmod(0o755)
    (state / "client_id").chmod(0o644)
    with caplog.at_level(logging.WARNING), StateDir(state) as opened:
        opened.client_id()
    assert (mode(state), mode(state / "client_id")) == (0o700, 0o600)
    assert f"state_dir {state} had mode 0755: it is now 0700" in caplog.text


@pytest.mark.parametrize("bits", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_may_write_is_refused(state: Path, bits: int) -> None:
    """Whatever is in it may be theirs; the error says what to do."""
    state.chmod(bits)
    with pytest.raises(InvalidSettings, match=rf"state_dir {state} .*chmod 700"), StateDir(state):
        pass
    assert mode(state) == bits


@AS_ROOT
def test_a_folder_of_somebody_else_is_refused(state: Path) -> None:
    """Also by root, who could use it."""
    os.chown(state, SOMEBODY, SOMEBODY)
    with (
        pytest.raises(InvalidSettings, match=f"belongs to the user {SOMEBODY}.*chown"),
        StateDir(state),
    ):
        pass


def test_a_folder_that_is_a_link_is_refused(state: Path, tmp_path: Path) -> None:
    """It could be moved to another folder of ours by whoever made it."""
    link = tmp_path / "link"
    link.symlink_to(state)
    with pytest.raises(InvalidSettings, match="is a symbolic link"), StateDir(link):
        pass


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_lock_that_is_a_link_truncates_nothing(state: Path, tmp_path: Path, link: str) -> None:
    """Planted while the folder was open to others."""
    precious = tmp_path / "precious"
    precious.write_text("a letter")
    (state / "lock").unlink()
    if link == "hard":
        (state / "lock").hardlink_to(precious)
    else:
        (state / "lock").symlink_to(precious)
    with pytest.raises(InvalidSettings, match=r"link.*: remove it"), StateDir(state):
        pass
    assert precious.read_text() == "a letter"


@AS_ROOT
def test_a_planted_token_opens_no_door(state: Path) -> None:
    """Neither somebody else's file nor a link to one."""
    planted = state / "token"
    os.chown(planted, SOMEBODY, SOMEBODY)
    with pytest.raises(InvalidSettings, match=f"belongs to the user {SOMEBODY}"):
        guarding(SecuritySettings(), state)
    os.chown(planted, os.geteuid(), -1)
    planted.rename(state / "elsewhere")
    planted.symlink_to(state / "elsewhere")
    with pytest.raises(InvalidSettings, match="is a symbolic link"):
        guarding(SecuritySettings(), state)


@pytest.mark.parametrize("bits", [0o644, 0o620, 0o606])
def test_a_token_that_others_could_read_is_no_secret(state: Path, bits: int) -> None:
    """It is refused; without the file a new one is made."""
    (state / "token").chmod(bits)
    with pytest.raises(
        InvalidSettings, match="may have read it: remove it, and a new one is created"
    ):
        guarding(SecuritySettings(), state)


def test_a_database_that_is_a_link_or_no_file_is_refused(state: Path, tmp_path: Path) -> None:
    """SQLite would follow it."""
    (tmp_path / "elsewhere.db").touch()
    (state / "a.db").symlink_to(tmp_path / "elsewhere.db")
    (state / "b.db").mkdir()
    for name, fault in (("a.db", "is a symbolic link"), ("b.db", "cannot be used|no regular")):
        database = Database(state / name, what="a", schema="CREATE TABLE t (x)")
        with pytest.raises(StateUnusable, match=fault):
            database._connect()
    assert (tmp_path / "elsewhere.db").read_bytes() == b""


def test_a_pipe_in_place_of_a_file_holds_nobody_up(state: Path) -> None:
    """It is refused at once, not waited for."""
    (state / "client_id").unlink()
    os.mkfifo(state / "client_id", 0o600)
    with (
        pytest.raises(StateUnusable, match="no regular file"),
        StateDir(state) as opened,
    ):
        opened.client_id()


def test_the_app_for_another_server_makes_its_folder_for_its_user_alone(tmp_path: Path) -> None:
    """The token is made before the runtime starts there."""
    folder = tmp_path / "deep" / "state"
    guarding(DSkitySettings.isolated(state_dir=folder).security, folder)
    assert (mode(folder), mode(folder / "token")) == (0o700, 0o600)
