"""Values that an older version had."""

from __future__ import annotations

import pytest

from dskity.config import DSkitySettings
from dskity.notices.old_values import old_values

URL = "mqtt://127.0.0.1"
ADVICE = "client: mqttium is not used any more, aiomqtt is; write auto"


@pytest.mark.parametrize("client", ["auto", "aiomqtt"])
def test_the_clients_that_there_are_give_no_advice(client: str) -> None:
    common = {"mqtt": {"client": client}}
    assert list(old_values(DSkitySettings.isolated(common=common))) == []


def test_each_section_that_says_mqttium_gives_a_line() -> None:
    old = {"url": URL, "client": "mqttium"}
    mqtt = {"far": old, "near": {"url": URL}}
    settings = DSkitySettings.isolated(common={"mqtt": old}, mqtt=mqtt)
    assert list(old_values(settings)) == [f"common.mqtt.{ADVICE}", f"mqtt.far.{ADVICE}"]
