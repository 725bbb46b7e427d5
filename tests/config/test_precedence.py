"""Command line, environment, `.env`, settings file, defaults: the first that has a key wins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings, load_settings

if TYPE_CHECKING:
    from tests.config.conftest import Write


def test_each_source_wins_over_those_below_it(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Taken away from the top, one after the other."""
    assert DSkitySettings().port == 8000
    write("port: 1001")
    assert DSkitySettings().port == 1001
    write("DSKITY_PORT=1002", ".env")
    assert DSkitySettings().port == 1002
    monkeypatch.setenv("DSKITY_PORT", "1003")
    assert DSkitySettings().port == 1003
    assert DSkitySettings(port=1004).port == 1004
    assert load_settings(overrides={"port": "1005"}).port == 1005


def test_sections_are_merged_and_lists_replaced(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """One key from above leaves its neighbours."""
    write("kv: {store: redis, redis: {key_prefix: plant}}\nmodules_search_paths: [a, b]")
    monkeypatch.setenv("DSKITY_KV__REDIS__URL", "redis://10.0.0.9:6379/1")
    settings = load_settings(
        overrides={"kv.default_ttl_seconds": "2.5", "modules_search_paths": "c"}
    )
    assert settings.kv.store == "redis"
    assert settings.kv.redis.key_prefix == "plant"
    assert settings.kv.redis.url == "redis://10.0.0.9:6379/1"
    assert settings.kv.default_ttl_seconds == 2.5
    assert settings.modules_search_paths == ("c",)


@pytest.mark.parametrize("name", ["settings.yaml", "settings.yml", "settings.toml"])
def test_a_settings_file_in_the_working_directory_is_found(write: Write, name: str) -> None:
    """In YAML or TOML; `config` then names it."""
    write('name = "Box"' if name.endswith("toml") else "name: Box", name)
    settings = DSkitySettings()
    assert (settings.name, settings.config) == ("Box", f"./{name}")


def test_two_files_in_the_working_directory_are_refused(write: Write) -> None:
    """Whichever were taken, the other would be ignored in silence."""
    write("name: a")
    write('name = "b"', "settings.toml")
    with pytest.raises(InvalidSettings, match=r"settings.yaml and settings.toml: keep one"):
        DSkitySettings()


def test_the_file_can_be_named(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """By argument, by DSKITY_CONFIG, or in `.env`; the file in the working directory then rests."""
    write("name: default")
    write("name: other", "other.yaml")
    write("DSKITY_CONFIG=other.yaml", ".env")
    assert DSkitySettings().name == "other"
    assert DSkitySettings(_env_file=None).name == "default"
    monkeypatch.setenv("DSKITY_CONFIG", "./settings.yaml")
    assert DSkitySettings().name == "default"
    settings = load_settings(Path("other.yaml"))
    assert (settings.name, settings.config) == ("other", "other.yaml")


def test_a_named_file_must_exist() -> None:
    """Unlike the one that is only looked for."""
    with pytest.raises(InvalidSettings, match=r"absent\.yaml does not exist: check --config"):
        load_settings(Path("absent.yaml"))


def test_a_file_cannot_name_another(write: Write) -> None:
    """It would be too late; naming itself does no harm."""
    write("config: ./settings.yaml\nname: a")
    assert DSkitySettings().name == "a"
    write("config: other.yaml")
    with pytest.raises(InvalidSettings, match=r"cannot name another \(settings.yaml, line 1\)"):
        DSkitySettings()


def test_a_name_in_the_file_leaves_the_prefix_of_variables(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """`name: x` is a name, no more."""
    write("name: x")
    monkeypatch.setenv("DSKITY_PORT", "9001")
    monkeypatch.setenv("X_PORT", "9002")
    settings = DSkitySettings()
    assert (settings.name, settings.port) == ("x", 9001)


def test_overrides_are_read_as_text_or_taken_as_values() -> None:
    """`--set` gives text, a caller in Python gives values."""
    settings = load_settings(
        overrides={
            "broker.websocket_port": "",
            "grpc.enabled": "false",
            "http.max_body_bytes": "2MiB",
            "http.cors": {"allow_origins": ["https://a.example"]},
            "security.tokens": '[{"name": "a", "token": "0123456789abcdef", "admin": true}]',
        }
    )
    assert settings.broker.websocket_port is None
    assert settings.grpc.enabled is False
    assert settings.http.max_body_bytes == 2 * 1024 * 1024
    assert settings.http.cors.allow_origins == ("https://a.example",)
    assert settings.security.tokens[0].name == "a"
