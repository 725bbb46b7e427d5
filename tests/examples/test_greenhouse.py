"""The greenhouse, as `scripts/run` starts it, with its devices in their own process."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.program import ROOT, Program, descendants, gone, running
from tests.servers import HOST, program

FREE = {"port": "0", "broker.port": "0", "grpc.port": "0"}
READY = "south is ready"


@contextlib.contextmanager
def greenhouse(state: Path, *options: str, **ports: int) -> Iterator[Program]:
    """It, with its state in a folder of the test's; `http`, `grpc` and `broker` are ports."""
    names = {"http": "port", "grpc": "grpc.port", "broker": "broker.port"}
    settings = FREE | {names[name]: str(port) for name, port in ports.items()}
    words = [f"--set={key}={value}" for key, value in settings.items()]
    with running("examples.greenhouse", *options, *words, f"--set=state_dir={state}") as it:
        yield it


@pytest.mark.parametrize("broker", ["mosquitto", "builtin"])
def test_heat_opens_the_vent_until_the_alarm_expires(broker: str, tmp_path: Path) -> None:
    """The whole round, told line by line; then it ends by itself."""
    if broker == "mosquitto":
        program("mosquitto", "mosquitto")
    quick = "--set=modules.alarm.additional_settings.clear_after=1"
    with greenhouse(tmp_path, "--once", "--broker", broker, quick) as it:
        assert it.ended(40) == 0, it.output
        for line in (
            f"broker {broker} at",
            r"telemetry  north +\d\d\.\d °C",
            "telemetry  south",
            "alarm  north raised",
            "command  vent-1 open succeeded",
            "key  alarms/north expired",
            "alarm  north cleared",
        ):
            it.wait_for(line, 0)


def test_every_line_to_try_works(tmp_path: Path) -> None:
    """Each is run by a shell as it stands."""
    program("curl", "curl")
    program("mosquitto_sub", "mosquitto-clients")
    with greenhouse(tmp_path) as it:
        it.wait_for(READY)
        it.wait_for("telemetry  north")
        lines = [line.strip() for line in it.lines if re.match("  (curl|mosquitto_sub) ", line)]
        assert len(lines) == 7
        for line in lines:
            limited = line.replace("curl", "curl -sSf").replace("_sub", "_sub -C 3 -W 10")
            done = subprocess.run(limited, shell=True, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout != "") == (0, True), f"{limited}\n{done}"
        it.wait_for("panel  shows: good morning")
        it.wait_for("key  kettle expired")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_all_that_it_started(number: signal.Signals, tmp_path: Path) -> None:
    """With exit status 0."""
    with greenhouse(tmp_path) as it:
        it.wait_for(READY)
        started = descendants(it.pid)
        it.tell(number)
        assert it.ended() == 0, it.output
        assert started
        assert gone(started)


def test_the_devices_do_not_outlive_it(tmp_path: Path) -> None:
    """Not even when it is killed, and can tell nobody."""
    with greenhouse(tmp_path) as it:
        it.wait_for(READY)
        started = descendants(it.pid)
        it.tell(signal.SIGKILL)
        assert it.ended() == -signal.SIGKILL
        assert gone(started)


@pytest.mark.parametrize(
    ("door", "setting"), [("http", "`port`"), ("grpc", "`grpc.port`"), ("broker", "broker.port")]
)
def test_a_port_in_use_is_named_with_its_setting(door: str, setting: str, tmp_path: Path) -> None:
    """And how to have free ones."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with greenhouse(tmp_path, **{door: port}) as it:
            assert it.ended() == 1
            it.wait_for(rf"error: .*{port}.*{setting}", 0)
            it.wait_for("--set port=0 --set broker.port=0 --set grpc.port=0", 0)
            assert "Traceback" not in it.output


def test_it_can_be_copied_and_run_by_dskity_itself(tmp_path: Path) -> None:
    """Its folder is an ordinary project: settings.yaml, and modules/ beside it."""
    folder = ROOT / "examples" / "greenhouse"
    words = [f"--set={key}={value}" for key, value in FREE.items()]
    with running("dskity", *words, f"--set=state_dir={tmp_path}", folder=folder) as it:
        it.wait_for("modules started: .*alarm, climate, releases, vent")
        it.tell(signal.SIGTERM)
        assert it.ended() == 0
