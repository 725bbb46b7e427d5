"""`state_dir/runtime.json`: the verbs of the command find a runtime whose ports were 0."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dskity.broker.url import Urls
from dskity.bus.errors import NotConnected
from dskity.client import broker_url
from dskity.config import DSkitySettings
from dskity.process.running import NAME, Running, find_running, published
from tests.runtime.house import write_module
from tests.runtime.program import ROOT, running

PORTS = "host: 127.0.0.1\nport: 0\ngrpc: {host: 127.0.0.1, port: 0}\nbroker: {port: 0}\n"
ECHO = """
    from dskity.modules import Module, ModuleMeta, on

    class Echo(Module):
        meta = ModuleMeta("echo")

        @on("echo")
        async def echo(self, text: str) -> str:
            return text
"""


def verb(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`dskity …` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "dskity", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_verbs_find_a_runtime_whose_ports_were_0(tmp_path: Path) -> None:
    """In the folder that `dskity` was started in."""
    (tmp_path / "settings.yaml").write_text(PORTS)
    write_module(tmp_path, "echo.py", ECHO)
    with running("dskity", folder=tmp_path) as it:
        it.wait_for("modules started")
        file = tmp_path / ".dskity" / NAME
        told = json.loads(file.read_text())
        assert file.stat().st_mode & 0o777 == 0o600
        assert told["pid"] == it.pid
        assert it.wait_for(r"HTTP on (\S+)")[1] == told["http"]
        assert it.wait_for(r"gRPC on (\S+)")[1] == told["grpc"]
        assert verb(tmp_path, "request", "echo", "hello").stdout == "hello\n"
        assert verb(tmp_path, "pub", "echo", "hello").returncode == 0
        assert verb(tmp_path, "pub", "kept", "hello", "--retain").returncode == 0
        assert verb(tmp_path, "sub", "kept", "-n", "1").stdout.endswith("hello\n")
        assert verb(tmp_path, "doctor", "--json").returncode == 0
        assert verb(tmp_path, "dead-letters", "list", "--json").returncode == 0
        it.tell(signal.SIGTERM)
        assert it.ended() == 0
        assert not file.exists()


def test_without_a_runtime_and_with_port_0_a_verb_says_what_to_do(tmp_path: Path) -> None:
    """Instead of an error about port 0."""
    (tmp_path / "settings.yaml").write_text(PORTS)
    result = verb(tmp_path, "pub", "echo")
    assert result.returncode == 1
    assert "no runtime runs on state_dir '.dskity': start `dskity`, or name" in result.stderr


async def found(state_dir: Path) -> Running | None:
    """As `find_running`, which reads a file."""
    return await asyncio.to_thread(find_running, state_dir)


async def url_for(settings: DSkitySettings) -> Urls:
    """As `broker_url`, which reads a file."""
    return await asyncio.to_thread(broker_url, settings)


async def test_a_file_that_nobody_holds_is_stale(tmp_path: Path) -> None:
    """It is what a crash leaves behind: its broker is not believed."""
    async with published(tmp_path, Running(1, "mqtt://127.0.0.1:7")):
        left = (tmp_path / NAME).read_bytes()
        assert await found(tmp_path) == Running(1, "mqtt://127.0.0.1:7")
    (tmp_path / NAME).write_bytes(left)
    (tmp_path / NAME).chmod(0o600)
    assert await found(tmp_path) is None


async def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    """Nor is a link: our password would go where it leads."""
    async with published(tmp_path / "..", Running(1, "mqtt://127.0.0.1:7")):
        (tmp_path / NAME).symlink_to(tmp_path.parent / NAME)
        assert await found(tmp_path.parent) is not None
        assert await found(tmp_path) is None
        (tmp_path.parent / NAME).chmod(0o620)
        assert await found(tmp_path.parent) is None


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'{"pid": 1, "more": 2}'])
async def test_a_file_that_is_none_of_ours_is_no_runtime(content: bytes, tmp_path: Path) -> None:
    """Whatever is in it."""
    async with published(tmp_path, Running(1)):
        (tmp_path / NAME).write_bytes(content)
        assert await found(tmp_path) is None


async def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The runtime works without the file."""
    async with published(tmp_path / "absent", Running(1)):
        pass
    assert "commands use the settings instead" in caplog.text


async def test_the_url_of_the_settings_leads_and_the_port_of_the_settings_is_the_last_resort(
    tmp_path: Path,
) -> None:
    """Between them is the runtime that runs."""

    def settings(**changes: object) -> DSkitySettings:
        return DSkitySettings.isolated(state_dir=tmp_path, **changes)

    named = settings(common={"mqtt": {"url": "mqtt://else:1883"}})
    async with published(tmp_path, Running(1, "mqtt://127.0.0.1:7")):
        assert await url_for(named) == ("mqtt://else:1883",)
        assert await url_for(settings()) == "mqtt://127.0.0.1:7"
    assert await url_for(settings()) == "mqtt://127.0.0.1:1883"
    with pytest.raises(NotConnected, match=r"broker\.port is 0"):
        await url_for(settings(broker={"port": 0}))
