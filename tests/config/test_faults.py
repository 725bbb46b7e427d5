"""Every fault at once, each with its key, what is wrong, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings, load_settings

if TYPE_CHECKING:
    from tests.config.conftest import Write


def refused(**values: Any) -> str:
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings(**values)
    return str(caught.value)


def test_all_faults_with_their_origins(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """One run is enough to fix them all."""
    write("port: eight\nkv:\n  stroe: redis\nmodules:\n  a: {database: {pool_size: -1}}\n")
    monkeypatch.setenv("DSKITY_GRPC_PORT", "70000")
    with pytest.raises(InvalidSettings) as caught:
        load_settings(overrides={"logging.level": "loud"})
    first, *faults = str(caught.value).splitlines()
    least, most = "must be greater than or equal to", "must be less than or equal to"
    choices = "'debug', 'info', 'warning', 'error' or 'critical'"
    assert first == "5 faults in the settings:"
    assert sorted(fault.strip() for fault in faults) == [
        f"grpc.port = '70000': {most} 65535 (environment variable DSKITY_GRPC_PORT)",
        "kv.stroe: no such key; did you mean store? (settings.yaml, line 3)",
        f"logging.level = 'loud': must be {choices} (command line, logging.level)",
        f"modules.a.database.pool_size = -1: {least} 0 (settings.yaml, line 5)",
        "port = 'eight': must be a valid integer (settings.yaml, line 1)",
    ]


def test_the_origin_is_that_of_the_source_that_won(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Not of the line below it."""
    write("kv:\n  store: redis\n")
    monkeypatch.setenv("DSKITY_KV", '{"store": "sqlite"}')
    assert refused().endswith("(environment variable DSKITY_KV)")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"prot": 1}, "prot: no such key; did you mean port? (argument)"),
        ({"kv": {"zzz": 1}}, "kv.zzz: no such key; known here: consul, default_ttl_seconds"),
        ({"kv": 5}, "kv: must be a section of keys"),
        ({"modules": ["a"]}, "modules: must be a section of keys"),
        ({"modules": {"a": 3}}, "modules.a: must be a section of keys"),
        ({"webhooks": {"a": {"preset": "none"}}}, "webhooks.a.topic: is missing: write it"),
        (
            {"security": {"tokens": [{"name": "a", "token": "x" * 16, "pubish": []}]}},
            "security.tokens.0.pubish: no such key; did you mean publish?",
        ),
    ],
)
def test_wrong_keys_and_kinds(values: dict[str, Any], fault: str) -> None:
    """The nearest key is named, or those that there are."""
    assert refused(**values).startswith(fault)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bus": {"root": "$dskity"}}, "starts with '$'"),
        ({"bus": {"root": "a/#"}}, "wildcard"),
        ({"bus": {"root": "a/"}}, "none of them empty"),
        ({"bus": {"root": "{a}"}}, "without braces"),
        ({"bus": {"max_in_flight": 0}}, "greater than or equal to 1"),
        ({"kv": {"default_ttl_seconds": -0.1}}, "greater than or equal to 0"),
        ({"kv": {"redis": {"url": "http://a"}}}, "as in redis://127.0.0.1:6379/0"),
        ({"common": {"mqtt": {"url": "broker:1883"}}}, "as in mqtts://broker:8883"),
        ({"common": {"mqtt": {"url": "mqtt://a:x"}}}, "as in mqtts://broker:8883"),
        ({"common": {"mqtt": {"url": "mqtt://a/topic"}}}, "only ws:// and wss:// have a path"),
        ({"common": {"mqtt": {"tls": {"key_file": "a"}}}}, "key_file needs cert_file"),
        ({"common": {"registry": {"ttl_seconds": 20}}}, "must be below ttl_seconds (20)"),
        ({"broker": {"host": "0.0.0.0"}}, "set broker.users_file"),
        ({"commands": {"request_topic": "devices/{target}"}}, "must have {target} and {command}"),
        ({"commands": {"reply_topic": "replies"}}, "must have the level {target}"),
        ({"http": {"cors": {"allow_credentials": True, "allow_origins": ["*"]}}}, "by name"),
        ({"http": {"tls": {"key_file": "k"}}}, "set both or neither"),
        ({"http": {"tls": {"client_ca_file": "k"}}}, "needs cert_file"),
        ({"webhooks": {"a": {"preset": "github", "topic": "h"}}}, "needs a secret"),
        ({"webhooks": {"a": {"preset": "hmac", "topic": "h", "secret": "s"}}}, "needs header"),
        ({"webhooks": {"a": {"preset": "none", "topic": "h/+"}}}, "wildcard"),
        ({"webhooks": {"a": {"preset": "none", "topic": "h", "secret": "s"}}}, "not use secret"),
        (
            {
                "webhooks": {
                    "a": {
                        "preset": "token",
                        "topic": "h",
                        "secret": "s",
                        "header": "h",
                        "algorithm": "sha1",
                    }
                }
            },
            "preset token does not use algorithm: leave it out",
        ),
        ({"common": {"mqtt": {"tls": {"insecure": True}}}}, "a url of mqtts:// or wss://"),
        (
            {"mqtt": {"a": {"url": ["mqtt://a", "ws://b"], "tls": {"ca_file": "c"}}}},
            "mqtt.a: tls is for a url of mqtts:// or wss://: write one, or leave tls out",
        ),
        ({"security": {"tokens": [{"name": "a"}]}}, "either token or token_file"),
        ({"security": {"tokens": [{"name": "a", "token": "short"}]}}, "at least 16"),
        (
            {"security": {"tokens": [{"name": "a", "token": "x" * 16}]}},
            "the token 'a' may do nothing: list topic filters under `publish` and `subscribe`",
        ),
        (
            {"security": {"tokens": [{"name": "a", "token": "x" * 16, "publish": []}]}},
            "or set `admin: true`",
        ),
        (
            {"security": {"tokens": [{"name": "a", "token": "x" * 16, "publish": ["a/#/b"]}]}},
            "'#' must be the last level",
        ),
        (
            {"security": {"tokens": [{"name": "a", "token": "x" * 16, "publish": ["a/{b}"]}]}},
            "instead of a capture",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_mend(
    values: dict[str, Any], reason: str
) -> None:
    """At the start, not when they are first used."""
    assert reason in refused(**values)


def test_faults_show_no_secrets() -> None:
    """Neither under a secret's key nor inside a URL, well formed or not."""
    text = refused(
        common={"mqtt": {"password": ["hush"], "url": "mqtt://me:hu/sh@box:x"}},
        kv={"redis": {"url": "redsi://:hush@box"}, "consul": {"token": {"a": "hush"}}},
        security={"tokens": [{"name": "a", "token": "hush"}]},
    )
    assert "hush" not in text
    assert "hu/sh" not in text
    assert "5 faults" in text
