"""What a start tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from dskity.notices.banner import banner
from tests.http.strangers.test_tls import certificate
from tests.runtime.house import on_broker, started
from tests.servers import mosquitto


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_banner_names_the_url_of_the_http_door(scheme: str, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    files = {"cert_file": tls.cert_file, "key_file": tls.key_file} if scheme == "https" else {}
    async with started(tmp_path, broker={"engine": "builtin"}, http={"tls": files}) as house:
        assert house.runtime.http is not None
        line = f"HTTP on {scheme}://127.0.0.1:{house.runtime.http.port}"
        assert line in list(banner(house.runtime, "1", None))


@pytest.mark.parametrize(("loopback", "told"), [("auto", True), ("closed", False)])
async def test_a_start_says_what_an_open_loopback_cannot_tell_apart(
    loopback: str, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, in the log."""
    with caplog.at_level("INFO"):
        async with started(tmp_path, broker={"engine": "builtin"}, security={"loopback": loopback}):
            pass
    assert caplog.text.count("cannot be distinguished") == told


async def test_a_runtime_whose_settings_say_mqttium_connects_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mosquitto() as broker:
        async with started(tmp_path, common=on_broker(broker.port, client="mqttium")) as house:
            assert house.runtime.bus.connected
    assert caplog.text.count("client: mqttium is not used any more") == 1
