"""The users file, against mosquitto's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dskity.broker.users import Users, hash_password
from dskity.bus.errors import InvalidSettings
from tests.servers import program

# The kind of mosquitto before 2.0, for the password "secret".
OLD = (
    "$6$YWJjZGVmZ2hpamts$"
    "6i93SkOMf6fc41fymirTPrapd0oWBaT1tTlLItfP4seDAu6aexpm5rgu5nXJd6844jBYqiqRNRizDJXvI7dzHA=="
)


def test_it_reads_what_mosquitto_passwd_writes(tmp_path: Path) -> None:
    tool = program("mosquitto_passwd", "mosquitto")
    file = tmp_path / "users"
    subprocess.run((tool, "-b", "-c", str(file), "ana", "pässword:$1"), check=True)
    users = Users.load(file)
    assert users.verify("ana", "pässword:$1")
    assert not users.verify("ana", "pässword:$2")


def test_it_reads_its_own_hashes(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# people\n\nana:{hash_password('one')}\nbob:{hash_password('two')}\n")
    users = Users.load(file)
    assert users.verify("ana", "one")
    assert users.verify("bob", "two")
    assert not users.verify("ana", "two")
    assert not users.verify("eve", "one")
    assert not users.verify(None, None)


def test_it_reads_the_older_kind(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"bob:{OLD}\n")
    assert Users.load(file).verify("bob", "secret")
    assert not Users.load(file).verify("bob", "Secret")


def test_the_same_password_hashes_differently_each_time() -> None:
    assert hash_password("a") != hash_password("a")


@pytest.mark.parametrize(
    "line", ["ana:plain", "ana", "ana:", "ana:$7$x$YQ==$YQ==", "ana:$7$0$YQ==$YQ==", "ana:$7$1$!$!"]
)
def test_a_line_without_a_hash_is_named_with_the_mend(tmp_path: Path, line: str) -> None:
    file = tmp_path / "users"
    file.write_text(f"\n{line}\n")
    with pytest.raises(InvalidSettings) as caught:
        Users.load(file)
    assert f"{file}, line 2: no password hash for user 'ana'" in str(caught.value)
    assert f"run mosquitto_passwd {file} ana" in str(caught.value)
    assert "plain\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"broker\.users_file .*nowhere cannot be read"):
        Users.load(tmp_path / "nowhere")
