"""What a start tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dskity.composition.client_library import choose_client
from dskity.notices.banner import banner
from tests.house.checkout import text
from tests.http.strangers.test_tls import certificate
from tests.runtime.house import started


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_banner_names_the_url_of_the_http_door(scheme: str, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    files = {"cert_file": tls.cert_file, "key_file": tls.key_file} if scheme == "https" else {}
    async with started(tmp_path, broker={"engine": "builtin"}, http={"tls": files}) as house:
        assert house.runtime.http is not None
        line = f"HTTP on {scheme}://127.0.0.1:{house.runtime.http.port}"
        assert line in list(banner(house.runtime, "1", None))


def test_what_is_said_of_aiomqtt_is_what_was_measured() -> None:
    """It costs more CPU a message at QoS 1, by the table; nothing is said of QoS 0."""
    (sentence,) = choose_client("aiomqtt").cannot
    assert sentence.startswith("aiomqtt takes more CPU for a QoS 1 message than mqttium")
    table = text(Path("docs/performance.md")).partition("### QoS 1 into a typed handler")[2]
    row = r"\| DSkity on (\w+) \| [^|]* \| [^|]* \| ([\d.]+) \|"
    cpu = {name: float(micros) for name, micros in reversed(re.findall(row, table))}
    assert cpu["aiomqtt"] > cpu["mqttium"]


@pytest.mark.parametrize(("loopback", "told"), [("auto", True), ("closed", False)])
async def test_a_start_says_what_an_open_loopback_cannot_tell_apart(
    loopback: str, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, in the log."""
    with caplog.at_level("INFO"):
        async with started(tmp_path, broker={"engine": "builtin"}, security={"loopback": loopback}):
            pass
    assert caplog.text.count("cannot be distinguished") == told
