"""Requests that wait for their reply: who waits, on which topic, and what a reply means.

Each request has a reply topic of its own, so that a responder that can echo no correlation data (an
MQTT 3.1.1 device) is still understood by where it answers. Late, duplicate and unknown replies
are counted and dropped.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.errors import RemoteError
from dskity.bus.message import Message
from dskity.bus.problem import STATUS_HEADER

_FIRST_ERROR_STATUS = "400"
_STATUS_DIGITS = 3
_MOST_PROBLEM = 64 * 1024  # bytes of an error reply that are read as JSON
_MOST_DETAIL = 4 * 1024  # bytes of one that is no problem object: it becomes an error's text


@dataclass(frozen=True, slots=True)
class Pending:
    """One request under way: its reply topic, its correlation data, and the reply to come."""

    reply_to: str
    correlation: bytes
    reply: asyncio.Future[Message]


class Replies:
    """The requests of one bus that wait for a reply."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix + "/"
        self.filter = prefix + "/+"
        self.unknown = 0
        self._pending: dict[bytes, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self) -> Pending:
        """A new request's reply topic and correlation data (the same token)."""
        token = secrets.token_hex(12)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        pending = Pending(self.prefix + token, token.encode(), reply)
        self._pending[pending.correlation] = pending
        return pending

    def forget(self, pending: Pending) -> None:
        """The request has ended: what comes for it from now on is late."""
        self._pending.pop(pending.correlation, None)

    def accept(self, message: Message) -> None:
        """Hand a reply to its request; correlation data counts before the topic's last level."""
        token = message.correlation or message.topic.removeprefix(self.prefix).encode()
        pending = self._pending.pop(token, None)
        if pending is None or pending.reply.done():
            self.unknown += 1
        else:
            pending.reply.set_result(message)


def check_reply(reply: Message) -> Message:
    """`reply` itself, or `RemoteError` where its `dskity-status` says that it is an error."""
    status = reply.headers.get(STATUS_HEADER, "")
    if len(status) != _STATUS_DIGITS or not status.isdecimal() or status < _FIRST_ERROR_STATUS:
        return reply
    problem = _problem(reply)
    detail = problem.get("detail") or problem.get("title") or f"status {status}"
    raise RemoteError(f"the responder answered: {detail}", int(status), problem)


def _problem(reply: Message) -> dict[str, Any]:
    try:
        problem = parse_json(reply.payload, most=_MOST_PROBLEM)
    except NotJson:
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"detail": reply.payload[:_MOST_DETAIL].decode(errors="replace")}
