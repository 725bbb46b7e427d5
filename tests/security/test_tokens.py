from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dskity.bus.errors import Forbidden, InvalidSettings, InvalidTopic, Unauthenticated
from dskity.modules.access.security import Guard, Token
from dskity.modules.access.token_file import load_or_create_token
from dskity.modules.rights import Principal, covers

SECRET = "s" * 32


def test_a_tokens_holder_is_its_principal() -> None:
    """With the rights that were written for it."""
    guard = Guard([Token.of("a", "x" * 32), Token.of("b", SECRET, publish=["p/#"], admin=True)])
    principal = guard.authorize(SECRET, "192.0.2.7", "example.org", True, "https://elsewhere")
    assert principal == Principal("b", ("p/#",), (), admin=True)


@pytest.mark.parametrize("token", ["", "s", SECRET + "s", "ä", "\udcff"])
def test_an_unknown_token_is_refused_even_from_loopback(token: str) -> None:
    """A wrong credential is never better than none."""
    guard = Guard([Token.of("a", SECRET)], loopback_open=True)
    with pytest.raises(Unauthenticated):
        guard.authorize(token, "127.0.0.1", "127.0.0.1")


def test_a_token_shows_its_secret_nowhere() -> None:
    """Only a digest is kept."""
    token = Token.of("a", SECRET)
    assert SECRET not in repr(token)
    assert SECRET not in str(Guard([token]).__dict__)


def test_tokens_that_guard_nothing_are_refused() -> None:
    """An empty secret, and filters that match nothing."""
    with pytest.raises(InvalidSettings, match="'a' is empty"):
        Token.of("a", "")
    with pytest.raises(InvalidTopic, match="last level"):
        Token.of("a", SECRET, publish=["a/#/b"])


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LocalHost:1", "[::1]:8000"])
def test_a_plain_loopback_call_passes_where_loopback_is_open(peer: str, host: str) -> None:
    """It is the machine's owner."""
    principal = Guard(loopback_open=True).authorize(None, peer, host)
    assert (principal.name, principal.admin) == ("loopback", True)
    assert principal.may_publish("any/topic")
    with pytest.raises(Unauthenticated, match="Bearer"):
        Guard(loopback_open=False).authorize(None, peer, host)


@pytest.mark.parametrize(
    ("peer", "host", "forwarded", "origin"),
    [
        ("192.0.2.7", "127.0.0.1", False, None),
        ("::ffff:192.0.2.7", "127.0.0.1", False, None),
        (None, "127.0.0.1", False, None),
        ("127.0.0.1", "rebound.example:8000", False, None),
        ("127.0.0.1", "127.0.0.1.evil.example", False, None),
        ("127.0.0.1", "localhost.evil.example", False, None),
        ("127.0.0.1", "evil@127.0.0.1.example", False, None),
        ("127.0.0.1", "[::1", False, None),
        ("127.0.0.1", "", False, None),
        ("127.0.0.1", None, False, None),
        ("127.0.0.1", "127.0.0.1", True, None),
        ("127.0.0.1", "127.0.0.1:8000", False, "https://evil.example"),
        ("127.0.0.1", "127.0.0.1:8000", False, "http://127.0.0.1:9000"),
        ("127.0.0.1", "127.0.0.1:8000", False, "null"),
        ("127.0.0.1", "127.0.0.1:8000", False, ""),
    ],
)
def test_what_is_not_plainly_loopback_needs_a_token(
    peer: str | None, host: str | None, forwarded: bool, origin: str | None
) -> None:
    """Another machine, another name, a proxy, a page of another origin (also on another port)."""
    with pytest.raises(Unauthenticated):
        Guard(loopback_open=True).authorize(None, peer, host, forwarded, origin)


def test_a_page_from_this_host_and_port_is_not_foreign() -> None:
    """Over http or https, in any case."""
    guard = Guard(loopback_open=True)
    guard.authorize(None, "127.0.0.1", "localhost:8000", origin="http://localhost:8000")
    guard.authorize(None, "127.0.0.1", "LOCALHOST", origin="https://localhost")


@pytest.mark.parametrize(
    ("allowed", "filter", "covered"),
    [
        ("#", "a/b", True),
        ("#", "#", True),
        ("#", "+/a/#", True),
        ("#", "$SYS/#", False),
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
        ("a/#", "a", True),
        ("a/#", "a/+/#", True),
        ("a/#", "#", False),
        ("a/#", "+/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/b", "a/+", False),
        ("a/b", "a/b", True),
        ("+", "a", True),
        ("a/#", "$share/g/a/b", True),
        ("a/#", "$share/g/b", False),
    ],
)
def test_a_filter_is_covered_when_all_it_matches_is_allowed(
    allowed: str, filter: str, covered: bool
) -> None:
    """By MQTT's rules, `$` topics and shared subscriptions included."""
    assert covers(allowed, filter) is covered


def test_a_principal_may_what_one_of_its_filters_allows() -> None:
    """Else `Forbidden`, which names it; a topic that nobody may use is the caller's mistake."""
    principal = Principal("sensor", ("a/+", "b"), ("c/#",))
    assert principal.may_publish("a/1")
    assert principal.may_publish("b")
    assert not principal.may_publish("c")
    assert principal.may_subscribe("c/+")
    assert not principal.may_subscribe("#")
    with pytest.raises(Forbidden, match="sensor may not publish to 'c'"):
        principal.require_publish("c")
    with pytest.raises(Forbidden, match="sensor may not subscribe to '#'"):
        principal.require_subscribe("#")
    with pytest.raises(InvalidTopic):
        principal.require_publish("a/+")


def test_a_token_file_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    """In a folder that may not exist yet; nothing else is left there."""
    path = tmp_path / "state" / "token"
    token = load_or_create_token(path)
    assert len(token) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_token(path) == token
    assert list(path.parent.iterdir()) == [path]


def test_runtimes_that_start_together_get_the_same_token(tmp_path: Path) -> None:
    """None reads a half-written one."""
    path = tmp_path / "token"
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: load_or_create_token(path), range(32)))
    assert len(tokens) == 1


def test_a_token_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Empty, a folder, or in a place where no file can be."""
    empty = tmp_path / "empty"
    empty.write_text("\n")
    empty.chmod(0o600)
    with pytest.raises(InvalidSettings, match="empty is empty: delete it"):
        load_or_create_token(empty)
    with pytest.raises(InvalidSettings, match="is no regular file"):
        load_or_create_token(tmp_path)
    with pytest.raises(InvalidSettings, match=r"is no directory: .* set another state_dir"):
        load_or_create_token(empty / "token")
