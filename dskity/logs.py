"""The log on standard error: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from dskity.modules.http.request_id import current

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_NOISY = ("amqtt", "transitions", "httpx", "httpcore", "mqtt", "asyncio", "uvicorn")
"""Libraries that tell of each connection or call at INFO."""


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
        return json.dumps(line, ensure_ascii=False)


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
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
