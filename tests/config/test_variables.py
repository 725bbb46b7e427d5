"""`${VAR}` in settings files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.config.variables import substitute

if TYPE_CHECKING:
    from tests.config.conftest import Write

VARIABLES = {"HOST": "box", "PORT": "1884", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${HOST}", "box"),
        ("$HOST", "box"),
        ("mqtt://${HOST}:${PORT}", "mqtt://box:1884"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-}", ""),
        ("${EMPTY}", ""),
        ("pa$HOST", "pa$HOST"),
        ("$HOST$PORT", "$HOST$PORT"),
        ("$${HOST}", "${HOST}"),
        ("$$HOST", "$HOST"),
        ("5 $", "5 $"),
    ],
)
def test_what_is_replaced_and_what_is_not(text: str, result: str) -> None:
    """A lone dollar sign inside a value stays: passwords have them."""
    assert substitute(text, VARIABLES, lambda: "here") == result


@pytest.mark.parametrize("text", ["${HOST", "${}", "${1A}", "a ${HOST}${"])
def test_braces_that_name_nothing(text: str) -> None:
    """The fix shows the three forms."""
    with pytest.raises(InvalidSettings, match=r"here: \$\{ without a name and a closing brace"):
        substitute(text, VARIABLES, lambda: "here")


def test_a_missing_variable_names_itself_the_file_and_the_key(write: Write) -> None:
    """And how to give it a default."""
    write("common:\n  mqtt:\n    password: ${BROKER_PASSWORD}\n")
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings()
    assert str(caught.value) == (
        "settings.yaml, line 3, common.mqtt.password: the environment variable BROKER_PASSWORD "
        "is not set: set it, or write ${BROKER_PASSWORD:-default}"
    )


def test_variables_come_from_the_environment_or_dotenv(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """They become numbers where the key is one, and work inside lists and TOML."""
    write("GITHUB_SECRET=from-dotenv\nPORT=1\n", ".env")
    monkeypatch.setenv("PORT", "9100")
    write(
        'port = "${PORT}"\n'
        "[webhooks.github]\n"
        'preset = "github"\ntopic = "hooks/{event}"\nsecret = ["${GITHUB_SECRET}", "old"]\n',
        "settings.toml",
    )
    settings = DSkitySettings()
    assert settings.port == 9100
    secrets = [secret.get_secret_value() for secret in settings.webhooks["github"].secret]
    assert secrets == ["from-dotenv", "old"]
