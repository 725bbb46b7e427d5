"""`DSKITY_…` variables in both spellings: read in one way, or refused with the right spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.config.environment import RESERVED, resolve
from dskity.config.schema import env_name, leaves, tree

if TYPE_CHECKING:
    from tests.config.conftest import Write

ROOT = tree(DSkitySettings)
KEYS = [path for path, _ in leaves(ROOT) if "<name>" not in path]
NAMED = [path for path, _ in leaves(ROOT) if "<name>" in path]


def dotted(name: str, known: dict[str, Any] | None = None) -> str:
    return ".".join(resolve(name, ROOT, known or {}))


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_every_key_has_both_spellings(path: tuple[str, ...]) -> None:
    """No two declared keys share a short form."""
    assert resolve(env_name(path), ROOT, {}) == path
    assert resolve("DSKITY_" + "_".join(path).upper(), ROOT, {}) == path


@pytest.mark.parametrize("path", NAMED, ids=".".join)
def test_every_key_below_a_name_has_both_spellings(path: tuple[str, ...]) -> None:
    """The short one where the settings file mentions the name."""
    mine = tuple("my_part" if key == "<name>" else key for key in path)
    known: dict[str, Any] = {path[0]: {"my_part": {}}}
    assert resolve(env_name(mine), ROOT, {}) == mine
    assert resolve("DSKITY_" + "_".join(mine).upper(), ROOT, known) == mine


def test_the_seed_s_example_holds(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """The database of a module, from a variable with single underscores."""
    write(
        """
        modules:
          service1:
            enabled: true
            database:
              {url: "sqlite:///:memory:", pool_size: 10, max_overflow: 20, pool_pre_ping: true}
          service2: {enabled: false}
          service3:
            enabled: true
            database: {url: "postgresql+psycopg2://user:pass@127.0.0.1:5432/service3"}
        """
    )
    monkeypatch.setenv("DSKITY_MODULES_SERVICE3_DATABASE_URL", "sqlite:///three.db")
    modules = DSkitySettings().modules
    assert modules.service1.database.pool_size == 10
    assert modules.service1.database.pool_pre_ping is True
    assert modules.service2.enabled is False
    assert modules["service3"].database.url == "sqlite:///three.db"


def test_the_seed_s_example_holds_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the name is a declared key, so the name can be told."""
    monkeypatch.setenv("DSKITY_MODULES_SERVICE3_DATABASE_URL", "sqlite:///three.db")
    assert DSkitySettings().modules.service3.database.url == "sqlite:///three.db"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("DSKITY_KV_DEFAULT_TTL_SECONDS", "kv.default_ttl_seconds"),
        ("DSKITY_KV__DEFAULT_TTL_SECONDS", "kv.default_ttl_seconds"),
        ("DSKITY_COMMON_MQTT__URL", "common.mqtt.url"),
        ("dskity_kv_store", "kv.store"),
        ("DSKITY_MODULES__A__OWN__DEEP_KEY", "modules.a.own.deep_key"),
        ("DSKITY_MODULES__A_B_DATABASE_URL", "modules.a_b.database.url"),
        ("DSKITY_MODULES__NEW", "modules.new"),
        ("DSKITY_WEBHOOKS_GITHUB_SECRET", "webhooks.github.secret"),
        ("DSKITY_MODULES_A_ADDITIONAL_SETTINGS_MAX_RATE", "modules.a.additional_settings.max_rate"),
        (
            "DSKITY_MODULES_A_ADDITIONAL_SETTINGS_MAX__RATE",
            "modules.a.additional_settings.max.rate",
        ),
    ],
)
def test_spellings_and_their_keys(name: str, path: str) -> None:
    """Below free keys `__` nests and `_` does not."""
    assert dotted(name) == path


def test_names_in_the_settings_file_are_known() -> None:
    """Also with a hyphen or capitals; a free key of a known module needs no `__`."""
    known: dict[str, Any] = {
        "modules": {"air-Quality": {}, "vents": {"additional_settings": {"maxRate": 1}}}
    }
    assert dotted("DSKITY_MODULES_AIR_QUALITY_ENABLED", known) == "modules.air-Quality.enabled"
    assert dotted("DSKITY_MODULES__AIR_QUALITY__ENABLED", known) == "modules.air-Quality.enabled"
    assert dotted("DSKITY_MODULES_VENTS_LIMIT", known) == "modules.vents.limit"
    key = "modules.vents.additional_settings.maxRate"
    assert dotted("DSKITY_MODULES_VENTS_ADDITIONAL_SETTINGS_MAXRATE", known) == key


@pytest.mark.parametrize(
    ("name", "known", "spellings"),
    [
        (
            "DSKITY_MODULES_A_B_ENABLED",
            ["a", "a_b"],
            ("DSKITY_MODULES__A_B__ENABLED", "DSKITY_MODULES__A__B_ENABLED"),
        ),
        (
            "DSKITY_MODULES_X_ADDITIONAL_SETTINGS_ENABLED",
            [],
            (
                "DSKITY_MODULES__X_ADDITIONAL_SETTINGS__ENABLED",
                "DSKITY_MODULES__X__ADDITIONAL_SETTINGS__ENABLED",
            ),
        ),
        (
            "DSKITY_WEBHOOKS_X_ID_HEADER",
            [],
            ("DSKITY_WEBHOOKS__X_ID__HEADER", "DSKITY_WEBHOOKS__X__ID_HEADER"),
        ),
    ],
)
def test_an_ambiguous_name_is_refused_with_every_spelling(
    name: str, known: list[str], spellings: tuple[str, str]
) -> None:
    """Guessing would set the wrong key now and then."""
    with pytest.raises(InvalidSettings) as caught:
        resolve(name, ROOT, {"modules": {key: {} for key in known}})
    assert (
        str(caught.value) == f"{name} can be read in 2 ways: write {spellings[0]} or {spellings[1]}"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("DSKITY_PROT", "did you mean DSKITY_PORT?"),
        ("DSKITY_KV__REDIS__ULR", "did you mean DSKITY_KV__REDIS__URL?"),
        ("DSKITY_KV_DEFAULT_TTL", "did you mean DSKITY_KV__DEFAULT_TTL_SECONDS?"),
        ("DSKITY_ZZZZ", "docs/reference/settings.md lists all of them"),
        ("DSKITY_", "docs/reference/settings.md lists all of them"),
        ("DSKITY_MODULES_X_LIMIT", "DSKITY_MODULES__<NAME>__<KEY>"),
    ],
)
def test_an_unknown_variable_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    """It names the nearest key."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings()
    assert str(caught.value).startswith(f"environment variable {name} is no setting")
    assert hint in str(caught.value)


def test_all_unknown_variables_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """With the file, if they are in one."""
    monkeypatch.setenv("DSKITY_PROT", "1")
    monkeypatch.setenv("DSKITY_HOOST", "1")
    with pytest.raises(InvalidSettings, match="2 faults in the settings:"):
        DSkitySettings()
    monkeypatch.delenv("DSKITY_PROT")
    monkeypatch.delenv("DSKITY_HOOST")
    write("OTHER_TOOL=1\nDSKITY_PROT=1\n", ".env")
    with pytest.raises(InvalidSettings, match=r"^\.env variable DSKITY_PROT is no setting"):
        DSkitySettings()


def test_variables_of_our_tooling_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list, in the reference."""
    for name in RESERVED:
        monkeypatch.setenv(name, "1")
    assert DSkitySettings().port == 8000


def test_two_variables_for_one_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In either spelling."""
    monkeypatch.setenv("DSKITY_KV_STORE", "redis")
    monkeypatch.setenv("DSKITY_KV__STORE", "inmemory")
    with pytest.raises(InvalidSettings, match=r"both set kv\.store: keep one"):
        DSkitySettings()


def test_lists_sections_and_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists by commas or JSON, sections by JSON, null by nothing; a section's own key wins."""
    monkeypatch.setenv("DSKITY_MODULES_SEARCH_PATHS", "modules, company.modules")
    monkeypatch.setenv("DSKITY_HTTP__CORS__ALLOW_ORIGINS", '["https://a.example"]')
    monkeypatch.setenv("DSKITY_KV", '{"store": "redis", "default_ttl_seconds": 5}')
    monkeypatch.setenv("DSKITY_KV__STORE", "inmemory")
    monkeypatch.setenv("DSKITY_COMMON__MQTT__URL", "")
    monkeypatch.setenv(
        "DSKITY_WEBHOOKS", '{"a": {"preset": "github", "topic": "h", "secret": "x,y"}}'
    )
    monkeypatch.setenv("DSKITY_MODULES__A__ADDITIONAL_SETTINGS__LIMITS", "[1, 2]")
    settings = DSkitySettings()
    assert settings.modules_search_paths == ("modules", "company.modules")
    assert settings.http.cors.allow_origins == ("https://a.example",)
    assert (settings.kv.store, settings.kv.default_ttl_seconds) == ("inmemory", 5)
    assert settings.common.mqtt.url is None
    assert [s.get_secret_value() for s in settings.webhooks["a"].secret] == ["x,y"]
    assert settings.modules["a"].additional_settings == {"limits": [1, 2]}


def test_a_secret_with_commas_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas separate texts only; several secrets are JSON."""
    monkeypatch.setenv("DSKITY_WEBHOOKS__A__PRESET", "github")
    monkeypatch.setenv("DSKITY_WEBHOOKS__A__TOPIC", "hooks/a")
    monkeypatch.setenv("DSKITY_WEBHOOKS__A__SECRET", "one,two")
    assert [s.get_secret_value() for s in DSkitySettings().webhooks["a"].secret] == ["one,two"]
    monkeypatch.setenv("DSKITY_WEBHOOKS__A__SECRET", '["one", "two"]')
    assert [s.get_secret_value() for s in DSkitySettings().webhooks["a"].secret] == ["one", "two"]


def test_broken_json_is_an_error_that_keeps_the_text_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may hold a secret."""
    monkeypatch.setenv("DSKITY_SECURITY__TOKENS", '[{"token": "hush-hush-hush-hush"')
    with pytest.raises(InvalidSettings, match=r"DSKITY_SECURITY__TOKENS: not JSON: ") as caught:
        DSkitySettings()
    assert "hush" not in str(caught.value)
