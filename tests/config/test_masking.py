"""Secrets show nowhere: not in `repr`, not in dumps."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from dskity.config import DSkitySettings
from dskity.config.masking import MASK, mask, mask_text

SETTINGS = DSkitySettings.isolated(
    common={"mqtt": {"url": "mqtts://me:hush1@box", "password": "hush2"}},
    mqtt={"cloud": {"url": "mqtts://cloud", "password": "hush4"}},
    kv={"redis": {"url": "redis://:hush3@box"}},
    security={"tokens": [{"name": "panel", "token": "hush5-hush5-hush5", "admin": True}]},
    webhooks={"a": {"preset": "github", "topic": "h", "secret": ["hush6", "hush7"]}},
    modules={
        "a": {
            "database": {"url": "postgresql://me:hush8@box/a", "password": "hush9"},
            "additional_settings": {"api_key": "hush10", "nested": [{"gitToken": "hush11"}]},
            "smtp_password": 4711_4711,
        }
    },
)


def test_neither_the_whole_nor_a_section_shows_a_secret() -> None:
    """In `repr`, `str`, `masked()` and JSON dumps of our own keys."""
    sections = [
        SETTINGS.common,
        SETTINGS.mqtt,
        SETTINGS.kv,
        SETTINGS.security,
        SETTINGS.webhooks,
        SETTINGS.modules,
    ]
    shown = [repr(SETTINGS), str(SETTINGS), json.dumps(SETTINGS.masked()), *map(repr, sections)]
    for text in shown:
        assert "hush" not in text
        assert "47114711" not in text
    assert "hush2" not in SETTINGS.model_dump_json()


def test_what_is_no_secret_stays() -> None:
    """Hosts, users, names and booleans."""
    shown = SETTINGS.masked()
    assert shown["common"]["mqtt"]["url"] == [f"mqtts://me:{MASK}@box"]
    assert shown["security"]["tokens"][0]["name"] == "panel"
    assert shown["http"]["cors"]["allow_credentials"] is False
    assert shown["common"]["mqtt"]["client_id"] is None


def test_code_reads_the_secrets() -> None:
    """URLs as text, the others by `get_secret_value`."""
    assert SETTINGS.modules.a.database.url == "postgresql://me:hush8@box/a"
    assert SETTINGS.common.mqtt.password is not None
    assert SETTINGS.common.mqtt.password.get_secret_value() == "hush2"


def test_hydrated_additional_settings_are_masked() -> None:
    """A model of the module's is dumped by its own fields, whatever they hold."""

    class Mail(BaseModel):
        user: str = "me"
        password: str = "hush"

    settings = DSkitySettings.isolated(modules={"mail": {}})
    settings.modules.mail.additional_settings = Mail()
    shown = settings.masked()["modules"]["mail"]["additional_settings"]
    assert shown == {"user": "me", "password": MASK}
    assert "hush" not in repr(settings.modules)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:p@h/0", f"redis://:{MASK}@h/0"),
        ("mqtt://u:p/w@h", f"mqtt://u:{MASK}@h"),
        ("mqtt://u:p@ss@h", f"mqtt://u:{MASK}@h"),
        ("http://h/?a=1&api_key=k&b=2", f"http://h/?a=1&api_key={MASK}&b=2"),
        ("http://h:80/path", "http://h:80/path"),
        ("mqtt://user@h", "mqtt://user@h"),
        ("plain text", "plain text"),
    ],
)
def test_urls_in_text(text: str, masked: str) -> None:
    """Passwords in the userinfo and in the query."""
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True), ("db_password", True), ("apiKey", True), ("api-key", True),
        ("token", True), ("token_file", False), ("tokens_per_second", False), ("key", False),
    ],
)  # fmt: skip
def test_names_that_hold_secrets(name: str, secret: bool) -> None:
    """By the last word of the name."""
    assert (mask({name: "x"})[name] == MASK) is secret
