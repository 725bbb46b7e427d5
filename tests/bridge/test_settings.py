"""`mqtt` and `bridge` in the settings: what is read, and each fault with its key and the fix."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings, load_settings
from dskity.modules.bridge import Rule

CLOUD = {"cloud": {"url": "mqtts://cloud:8883"}}


def rule(**changes: Any) -> dict[str, Any]:
    return {"from": "default", "to": "cloud", "filter": "a/#"} | changes


def test_a_connection_has_the_keys_of_the_default_one() -> None:
    settings = DSkitySettings.isolated(mqtt={"cloud": CLOUD["cloud"] | {"keepalive": 60}})
    assert settings.mqtt["cloud"].url == ("mqtts://cloud:8883",)
    assert settings.mqtt["cloud"].keepalive == 60
    assert settings.mqtt["cloud"].session_expiry_seconds == 86_400


def test_a_connection_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSKITY_MQTT__CLOUD__URL", "mqtt://cloud")
    monkeypatch.setenv("DSKITY_BRIDGE", '[{"from": "default", "to": "cloud", "filter": "a/#"}]')
    settings = load_settings()
    assert settings.mqtt["cloud"].url == ("mqtt://cloud",)
    assert [entry.rule() for entry in settings.bridge] == [Rule("default", "cloud", "a/#")]


def test_a_rule_is_shown_as_it_is_written() -> None:
    settings = DSkitySettings.isolated(mqtt=CLOUD, bridge=[rule(prefix="site/7", retain=True)])
    assert settings.masked()["bridge"] == [
        rule(prefix="site/7", strip="", qos=1, retain=True),
    ]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"mqtt": {"cloud": {}}}, "mqtt.cloud.url: is missing: write it"),
        ({"mqtt": {"c": {"url": "ws://c", "usr": 1}}}, "mqtt.c.usr: no such key; did you mean"),
        ({"mqtt": {"cloud": {"url": "http://c"}}}, "mqtt.cloud.url.0 = 'http://c': must be mqtt://"),
        ({"mqtt": {"default": CLOUD["cloud"]}}, "mqtt.default: the default connection is that of"),
        ({"mqtt": {"a.b": CLOUD["cloud"]}}, "mqtt.a.b: a connection's name is letters, digits"),
        ({"mqtt": {"ctl": CLOUD["cloud"]}}, "mqtt.ctl: client ids with this ending are"),
        ({"mqtt": {"eu-ctl": CLOUD["cloud"]}}, "mqtt.eu-ctl: client ids with this ending are"),
        ({"bridge": [rule()]}, "bridge.0.to = 'cloud': no such connection; known here: default"),
        (
            {"mqtt": CLOUD, "bridge": [rule(), rule(to="clowd")]},
            "bridge.1.to = 'clowd': no such connection; did you mean cloud?",
        ),
        (
            {"mqtt": CLOUD, "bridge": [rule(**{"from": "defualt"})]},
            "bridge.0.from = 'defualt': no such connection; did you mean default?",
        ),
        ({"bridge": [rule(to="default")]}, "bridge.0: from and to are both 'default'"),
        (
            {"mqtt": CLOUD, "bridge": [rule(filter="a/#/b")]},
            "bridge.0.filter = 'a/#/b': filter 'a/#/b': '#' must be the last level",
        ),
        ({"mqtt": CLOUD, "bridge": [rule(prefix="/a")]}, "bridge.0.prefix = '/a': '/a' is not"),
        ({"mqtt": CLOUD, "bridge": [rule(strip="b")]}, "bridge.0: strip 'b' is not how the topics"),
        ({"mqtt": CLOUD, "bridge": [rule(qos=3)]}, "bridge.0.qos = 3: must be 0, 1 or 2"),
        ({"mqtt": CLOUD, "bridge": [rule(form=1)]}, "bridge.0.form: no such key; did you mean"),
        (
            {"mqtt": CLOUD, "bridge": [rule(), rule(**{"from": "cloud", "to": "default"})]},
            "bridge: bridge.0 (default → cloud, filter 'a/#') and bridge.1 (cloud → default, ",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_mend(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings.isolated(**values)
    assert str(caught.value).startswith(fault), str(caught.value)
