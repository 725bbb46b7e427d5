"""The two versions of the protocol, named in one place."""

import re
from pathlib import Path

import pytest

from dskity.broker.settings import ConnectionSettings
from dskity.broker.wire import MQTT_5, MQTT_311, ConnectRequest, ConnectResult, Version
from tests.servers import HOST

BROKER = Path(__file__).resolve().parents[2] / "broker"


@pytest.mark.parametrize(("version", "five"), [(MQTT_5, True), (MQTT_311, False)])
def test_request_and_result_say_whether_they_are_mqtt_5(version: Version, five: bool) -> None:
    settings = ConnectionSettings(f"mqtt://{HOST}", "box")
    request = ConnectRequest(settings, "box", version, clean_start=True, session_expiry=0)
    assert request.five is ConnectResult(version).five is five


def test_no_file_compares_a_version_with_a_number() -> None:
    compared = re.compile(r"\bversion [!=]= [345]\b")
    found = [str(path) for path in BROKER.rglob("*.py") if compared.search(path.read_text())]
    assert found == []
