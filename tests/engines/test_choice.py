"""Which engine `broker.engine` and `common.mqtt.url` lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.broker.engines.engine import EngineName, choose_engine
from dskity.broker.engines.listen import Listen
from dskity.bus.errors import DSkityError, EngineError, InvalidSettings

THERE = "mqtts://broker.example:8883"
PROGRAM = "/usr/sbin/mosquitto"


@pytest.mark.parametrize(
    ("wanted", "url", "installed", "chosen"),
    [
        ("auto", None, True, "mosquitto"),
        ("auto", None, False, "builtin"),
        ("auto", THERE, True, "external"),
        ("auto", THERE, False, "external"),
        ("none", THERE, True, "external"),
        ("mosquitto", None, True, "mosquitto"),
        ("builtin", None, True, "builtin"),
        ("builtin", None, False, "builtin"),
        ("amqtt", None, True, "amqtt"),
        ("amqtt", None, False, "amqtt"),
        ("rumqttd", None, True, "rumqttd"),
    ],
)
def test_the_choice(
    wanted: EngineName,
    url: str | None,
    installed: bool,
    chosen: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dskity.broker.engines.engine.has_rumqttd", lambda: installed)
    state = tmp_path / "state"
    engine = choose_engine(
        wanted,
        url,
        listen=Listen(port=2883),
        state_dir=state,
        find=lambda: PROGRAM if installed else None,
    )
    assert engine.name == chosen
    assert engine.url == (url or "mqtt://127.0.0.1:2883")
    assert all(sentence.endswith(".") for sentence in engine.cannot)
    assert bool(engine.cannot) == (chosen != "external")
    assert not state.exists(), "to choose opens nothing"


@pytest.mark.parametrize(
    ("wanted", "url", "error", "fix"),
    [
        ("mosquitto", None, EngineError, "apt-get install mosquitto"),
        ("none", None, InvalidSettings, "set common.mqtt.url"),
        ("rumqttd", None, EngineError, r"pip install 'dskity\[rumqttd\]'"),
        ("amqtt", THERE, InvalidSettings, "remove one of the two"),
    ],
)
def test_what_cannot_be_is_refused_with_the_mend(
    wanted: EngineName,
    url: str | None,
    error: type[DSkityError],
    fix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dskity.broker.engines.engine.has_rumqttd", lambda: False)
    with pytest.raises(error, match=fix):
        choose_engine(wanted, url, listen=Listen(), state_dir=tmp_path, find=lambda: None)


@pytest.mark.parametrize("wanted", ["auto", "builtin", "amqtt", "rumqttd"])
def test_a_user_is_refused_where_the_engine_keeps_that_of_the_runtime(
    wanted: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root would otherwise think that the broker had given up its rights."""
    monkeypatch.setattr("dskity.broker.engines.engine.has_rumqttd", lambda: True)
    with pytest.raises(InvalidSettings, match=r"runs as the user of the runtime: leave it out"):
        choose_engine(
            wanted, None, listen=Listen(), state_dir=tmp_path, user="me", find=lambda: None
        )


async def test_an_external_broker_is_neither_started_nor_stopped(tmp_path: Path) -> None:
    engine = choose_engine("auto", THERE, listen=Listen(), state_dir=tmp_path)
    await engine.start()
    assert engine.healthy
    await engine.stop()
