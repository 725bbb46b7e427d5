"""Which of uvicorn's parsers the server uses."""

from __future__ import annotations

import logging
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from dskity.bus.base.foreign import names_of
from dskity.modules.http.wire import private
from dskity.modules.http.wire.listener import Listener
from dskity.modules.http.wire.protocol import http_protocol

LISTENER = cast("Listener", None)
"""Asked for a place when a connection is made, and not before."""


def test_the_base_install_has_the_faster_parser_and_the_server_takes_it() -> None:
    """No extra is needed for it."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(each.startswith("httptools>=") for each in project["dependencies"])
    assert http_protocol(LISTENER, 65_536).__name__ == "OverHttptools"


def test_a_uvicorn_that_does_not_fit_the_faster_parser_is_told_and_h11_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server opens all the same."""
    owner = private.HTTPTOOLS.names[0].owner
    renamed = replace(private.HTTPTOOLS, names=names_of(owner, {"_renamed": "a test"}))
    monkeypatch.setattr(private, "HTTPTOOLS", renamed)
    monkeypatch.delitem(sys.modules, "dskity.modules.http.wire.over_httptools", raising=False)
    with caplog.at_level(logging.WARNING):
        assert http_protocol(LISTENER, 65_536).__name__ == "OverH11"
    assert "httptools cannot be used, h11 is: uvicorn " in caplog.text
    assert "HttpToolsProtocol._renamed" in caplog.text
