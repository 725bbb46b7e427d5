"""Where root starts the runtime, its mosquitto gives up root, and loses nothing by it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest

from dskity.broker.engines import unprivileged
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.mosquitto import ManagedMosquitto
from dskity.broker.users import hash_password
from dskity.bus.errors import EngineError, InvalidSettings
from dskity.config import DSkitySettings
from tests.engines.device import Device, device
from tests.engines.test_mosquitto import managed
from tests.runtime.house import settings_in
from tests.servers import program
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


def user_of(pid: int | None) -> str:
    """The effective user of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ids = next(line for line in lines if line.startswith("Uid:")).split()[1:]
    assert len(set(ids)) == 1  # real, effective, saved: it cannot go back
    return pwd.getpwuid(int(ids[0])).pw_name


def readable_by(user: str, path: Path) -> bool:
    """Whether a process of that user can read the file, by its whole path."""
    own = pwd.getpwnam(user)
    asked = subprocess.run(
        ["/bin/cat", str(path)],
        check=False,
        capture_output=True,
        user=own.pw_uid,
        group=own.pw_gid,
        extra_groups=[],
    )
    return asked.returncode == 0


async def test_it_becomes_the_user_of_its_package(tmp_path: Path) -> None:
    """And its folder is that user's, in one that only root may enter."""
    async with managed(tmp_path / "state") as (engine, port):
        assert user_of(engine.pid) == "mosquitto"
        async with device(port) as one:
            await one.subscribe("greeting")
            await one.publish("greeting", b"hello")
            await until(lambda: one.received, "the message")
    folder = tmp_path / "state" / "mosquitto"
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o700)
    data = (folder / "data").stat()
    assert (pwd.getpwuid(data.st_uid).pw_name, stat.S_IMODE(data.st_mode)) == ("mosquitto", 0o700)


@pytest.mark.parametrize("second", ["mosquitto", "nobody", "root"])
async def test_what_it_keeps_survives_a_restart_also_as_another_user(
    tmp_path: Path, second: str
) -> None:
    """Retained messages, sessions and what is queued for them."""
    async with managed(tmp_path) as (_, port):
        async with device(port, "sleeper", clean=False) as sleeper:
            await sleeper.subscribe("alarms")
        async with device(port) as other:
            await other.publish("alarms", b"fire")
    engine = ManagedMosquitto(
        program("mosquitto", "mosquitto"), Listen(port=0), tmp_path, user=second
    )
    await engine.start()
    try:
        assert user_of(engine.pid) == second
        async with device(int(engine.url.rpartition(":")[2]), "sleeper", clean=False) as sleeper:
            await until(lambda: sleeper.received, "what was queued")
    finally:
        await engine.stop()


async def test_it_writes_what_it_keeps_while_it_runs(tmp_path: Path) -> None:
    """A save that is asked for, as that user."""
    async with managed(tmp_path) as (engine, port):
        async with device(port) as one:
            await one.publish("state", b"on", retain=True)
        database = tmp_path / "mosquitto" / "data" / "mosquitto.db"
        engine.save()
        await until(database.exists, "the database")
        assert pwd.getpwuid(database.stat().st_uid).pw_name == "mosquitto"


async def test_a_database_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    """It was root's, beside the configuration."""
    async with managed(tmp_path) as (_, port), device(port) as one:
        await one.publish("state", b"on", retain=True)
    folder = tmp_path / "mosquitto"
    database = folder / "data" / "mosquitto.db"
    os.chown(database, 0, 0)
    database.rename(folder / "mosquitto.db")
    async with managed(tmp_path) as (_, port), device(port) as one:
        await one.subscribe("state")
        await until(lambda: one.received, "the retained message")
    assert not (folder / "mosquitto.db").exists()


async def test_users_and_rules_are_readable_by_it_alone(tmp_path: Path) -> None:
    """Copies, made at each start; the originals may stay root's own."""
    users, acl = tmp_path / "users", tmp_path / "acl"
    users.write_text(f"ana:{hash_password('right')}\n")
    acl.write_text("user ana\ntopic readwrite mine/#\n")
    users.chmod(0o600)
    acl.chmod(0o600)
    state = tmp_path / "state"
    listen = Listen(port=0, users_file=users, acl_file=acl)
    async with managed(state, listen) as (_, port):
        async with device(port, user=("ana", "right")) as ana:
            await ana.subscribe("#")
            await ana.publish("yours/a")
            await ana.publish("mine/a")
            await until(lambda: ana.received, "the allowed one")
            assert [topic for topic, *_ in ana.received] == ["mine/a"]
        refused = Device(port, user=("ana", "wrong"))
        assert await refused.connect() == 135
        await refused.disconnect()
        for name in ("users", "acl"):
            copy = state / "mosquitto" / "data" / name
            found = copy.stat()
            assert pwd.getpwuid(found.st_uid).pw_name == "mosquitto"
            assert stat.S_IMODE(found.st_mode) == 0o400
            assert not readable_by("nobody", copy)
    users.write_text(f"ana:{hash_password('new')}\n")
    async with managed(state, listen) as (_, port), device(port, user=("ana", "new")):
        pass


async def test_what_that_user_plants_leads_no_write_of_root_elsewhere(tmp_path: Path) -> None:
    """A link in place of a copy is replaced; one in place of the database gets no new owner."""
    users, precious = tmp_path / "users", tmp_path / "precious"
    users.write_text(f"ana:{hash_password('right')}\n")
    precious.write_text("a letter")
    async with managed(tmp_path, Listen(port=0, users_file=users)):
        pass
    data = tmp_path / "mosquitto" / "data"
    (data / "users").unlink()
    (data / "users").symlink_to(precious)
    (data / "mosquitto.db").unlink(missing_ok=True)
    (data / "mosquitto.db").hardlink_to(precious)
    with pytest.raises(EngineError):  # it is no database
        async with managed(tmp_path, Listen(port=0, users_file=users)):
            pass
    assert (precious.read_text(), precious.stat().st_uid) == ("a letter", 0)
    assert not (data / "users").is_symlink()


async def test_it_cannot_change_how_it_is_started(tmp_path: Path) -> None:
    """Its configuration is root's, in a folder that it cannot enter."""
    async with managed(tmp_path):
        conf = tmp_path / "mosquitto" / "mosquitto.conf"
        assert (conf.stat().st_uid, stat.S_IMODE(conf.stat().st_mode)) == (0, 0o600)
        assert not readable_by("mosquitto", conf)


async def test_it_is_started_again_as_that_user(tmp_path: Path) -> None:
    """After a crash."""
    async with managed(tmp_path) as (engine, _):
        first = engine.pid
        assert first is not None
        os.kill(first, 9)
        await until(lambda: engine.healthy and engine.pid != first, "it is back")
        assert user_of(engine.pid) == "mosquitto"


async def test_without_a_user_mosquitto_it_is_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As mosquitto itself does."""
    monkeypatch.setattr(unprivileged, "DEFAULTS", ("no-such-user", "nobody"))
    async with managed(tmp_path) as (engine, _):
        assert user_of(engine.pid) == "nobody"


async def test_a_user_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """Before anything starts."""
    path = program("mosquitto", "mosquitto")
    engine = ManagedMosquitto(path, Listen(port=0), tmp_path, user="no-such-user")
    with pytest.raises(InvalidSettings, match=r"broker\.user: there is no user 'no-such-user'"):
        await engine.start()


def test_a_port_that_only_root_may_open_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is not root by then; which ports those are the system says."""
    first = tmp_path / "first"
    first.write_text("1024\n")
    monkeypatch.setattr(unprivileged, "_UNPRIVILEGED_PORTS", first)
    nobody = unprivileged.Account("nobody", 65534, 65534)
    with pytest.raises(InvalidSettings, match=r"broker\.port 80: .* set it to 1024 or above"):
        unprivileged.check_port(80, "broker.port", nobody)
    unprivileged.check_port(1024, "broker.port", nobody)
    unprivileged.check_port(None, "broker.websocket_port", nobody)
    first.write_text("0\n")
    unprivileged.check_port(80, "broker.port", nobody)


def test_the_setting_reaches_it(tmp_path: Path) -> None:
    """`broker.user`."""
    settings: DSkitySettings = settings_in(tmp_path, broker={"user": "nobody"})
    assert settings.broker.user == "nobody"
