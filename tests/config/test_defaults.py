"""Without files and variables the settings are the documented defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from dskity.config import DSkitySettings, load_settings


def test_the_seed_s_defaults_stand() -> None:
    """Name, addresses, registry timing and the KV store as DSkity 1.0.5 documents them."""
    shown = DSkitySettings().masked()
    assert {key: shown[key] for key in ("name", "host", "port", "advertise_url", "config")} == {
        "name": "Dskity",
        "host": "0.0.0.0",
        "port": 8000,
        "advertise_url": "http://0.0.0.0:8000",
        "config": "./settings.yaml",
    }
    assert shown["modules"] == {}
    assert shown["modules_search_paths"] == ["modules"]
    assert shown["common"]["advertise_url"] == "http://127.0.0.1:8000"
    assert shown["common"]["internal_base_url"] == "http://127.0.0.1:8000"
    assert shown["common"]["registry"] == {
        "enabled": True,
        "heartbeat_interval_seconds": 30,
        "ttl_seconds": 60,
    }
    assert shown["kv"].pop("events") == {"value": False}
    assert shown["kv"] == {
        "store": "inmemory",
        "default_ttl_seconds": 60,
        "redis": {"url": "redis://127.0.0.1:6379/0", "key_prefix": "dskity"},
        "consul": {
            "url": "http://127.0.0.1:8500",
            "key_prefix": "dskity",
            "verify": True,
            "token": None,
        },
        "ring": {"vnodes": 64},
    }


def test_the_new_defaults_stand() -> None:
    """The broker is on loopback, the bus is bounded, the doors have limits."""
    settings = DSkitySettings()
    assert settings.state_dir == Path(".dskity")
    assert (settings.broker.engine, settings.broker.host, settings.broker.port) == (
        "auto",
        "127.0.0.1",
        1883,
    )
    assert (settings.bus.root, settings.bus.max_in_flight) == ("dskity", 1000)
    assert settings.bus.max_in_flight_bytes == 64 * 1024 * 1024
    assert (settings.common.mqtt.url, settings.common.mqtt.client) == (None, "auto")
    assert (settings.common.mqtt.keepalive, settings.common.mqtt.session_expiry_seconds) == (
        30,
        86_400,
    )
    assert (settings.grpc.enabled, settings.grpc.port) == (True, 50_051)
    assert settings.commands.default_ttl_seconds == 60
    assert (settings.logging.level, settings.logging.format) == ("info", "text")


def test_they_are_pydantic_settings() -> None:
    """As users of the seed expect."""
    assert isinstance(load_settings(), BaseSettings)


def test_addresses_that_are_not_set_follow_host_and_port() -> None:
    """A port that moves takes the URLs along; a URL that is set stays."""
    moved = DSkitySettings(port=9000)
    assert moved.advertise_url == "http://0.0.0.0:9000"
    assert moved.common.advertise_url == "http://127.0.0.1:9000"
    assert moved.common.internal_base_url == "http://127.0.0.1:9000"
    placed = DSkitySettings(port=9000, advertise_url="https://box.example")
    assert placed.common.advertise_url == "https://box.example"
    assert placed.common.internal_base_url == "http://127.0.0.1:9000"
    fixed = DSkitySettings(port=9000, common={"advertise_url": "http://10.1.1.1:80"})
    assert fixed.common.advertise_url == "http://10.1.1.1:80"


def test_settings_are_frozen() -> None:
    """What runs by them would not follow a change."""
    with pytest.raises(ValueError, match="frozen"):
        setattr(DSkitySettings(), "port", 1)  # noqa: B010  # mypy knows it, too


def test_isolated_reads_neither_environment_nor_files(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Two runtimes in one process, and tests, state their settings whole."""
    monkeypatch.setenv("DSKITY_PORT", "1")
    (folder / "settings.yaml").write_text("host: 10.0.0.1")
    settings = DSkitySettings.isolated(name="alone")
    assert (settings.name, settings.host, settings.port) == ("alone", "0.0.0.0", 8000)
