"""The log on standard error: lines for people, or one JSON object a line for machines.

Texts of strangers are quoted in it (topics, client ids, payloads, errors). A control character in
them would steer the terminal, and a line break would forge the next record: so both are escaped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from numbers import Number
from typing import Any, Literal

from dskity.bus.base.text import escape, escape_json, escape_lines
from dskity.modules.http.request_id import current

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_NOISY = ("amqtt", "transitions", "httpx", "httpcore", "mqtt", "asyncio", "uvicorn")
"""Libraries that tell of each connection or call at INFO."""


class TextFormatter(logging.Formatter):
    """One record is one line, and the lines that the program itself breaks: in the text before its
    arguments are put in, and in a traceback. Those are indented; text that begins at the left is a
    record."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        kept = record.msg, record.args, record.exc_text
        record.msg, record.args, record.exc_text = _message(record), (), None
        try:
            return super().format(record)
        finally:  # other handlers format it in their own way
            record.msg, record.args, record.exc_text = kept

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        return "    " + escape_lines(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # logging's name
        return "    " + escape_lines(super().formatStack(stack_info))


class JsonFormatter(logging.Formatter):
    """`time` (RFC 3339), `level`, `logger`, `message`, and `request_id` and `error` where there
    is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = getattr(record, "request_id", None)
        if request_id:
            line["request_id"] = request_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return escape_json(json.dumps(line, ensure_ascii=False))


class _Quoted:
    """An argument of a record, escaped however it is put in."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))


def _message(record: logging.LogRecord) -> str:
    """The message, with its arguments on one line each."""
    text, arguments = str(record.msg), record.args
    if isinstance(arguments, Mapping):
        text %= {name: _quoted(value) for name, value in arguments.items()}
    elif arguments:
        text %= tuple(map(_quoted, arguments))
    return escape_lines(text)


def _quoted(value: object) -> object:
    return value if isinstance(value, Number) else _Quoted(value)  # `%d` needs the number itself


def name_request(record: logging.LogRecord) -> bool:
    """A log filter: `request_id` of what is logged while an HTTP call is served."""
    id = current.get()
    if id is not None and not hasattr(record, "request_id"):
        record.request_id = id
    return True


def configure(level: str, form: Literal["text", "json"]) -> None:
    """Send everything of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(name_request)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
