"""Commands on the wire: a request to a device as a `Message`, and what a device's reply says.

**Request.** The payload is always a JSON object whose first field `id` is the execution's id, so
that a device of any MQTT version can name it in its reply: an object keeps its own fields beside
it (`{"id": …, "open": 40}`), any other value goes under `payload` (`{"id": …, "payload": 40}`),
and no payload is `{"id": …}`. On MQTT 5 the response topic and the correlation data (the id) are
there too.

**Reply.** Either `{"id", "state", "result" | "error", "progress"?}` on the reply topic, or, on
MQTT 5, anything on the response topic with the correlation data echoed: an object with a known
`state` is read as above, any other payload is the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_jsonable_python

from dskity.bus import topics
from dskity.bus.base.jsontext import NotJson, parse_json, write_json
from dskity.bus.base.text import fault_in
from dskity.bus.errors import InvalidInput, InvalidPayload, InvalidSettings
from dskity.bus.message import JSON_TYPE, Message
from dskity.bus.problem import STATUS_HEADER
from dskity.modules.commands.states import REPORTABLE, Change, State
from dskity.modules.contract import Execution

REQUEST_TOPIC: Final = "devices/{target}/commands/{command}"
REPLY_TOPIC: Final = "devices/{target}/commands/{command}/reply"

_STATUS: Final = re.compile(r"[1-5][0-9][0-9]")
_FIRST_ERROR_STATUS = 400
_LONGEST_NAME = 255
_STATES: Final = {state.value: state for state in REPORTABLE}


class Templates:
    """Where commands are sent and answered: the topic templates of the settings."""

    def __init__(self, request: str = REQUEST_TOPIC, reply: str = REPLY_TOPIC) -> None:
        self._request = request
        self.replies = topics.parse(reply)
        """The filter that takes the replies of all devices; captures `target`."""
        pattern = topics.parse(request)
        self.requests = pattern.filter
        """The filter of the topics that requests go out on."""
        wildcards = pattern.filter.count("+") + pattern.filter.count("#")
        if set(pattern.names) != {"target", "command"} or wildcards != len(pattern.names):
            raise InvalidSettings(
                f"commands.request_topic {request!r}: it needs {{target}} and {{command}}, each a "
                f"level of its own, and no wildcard, as in {REQUEST_TOPIC!r}"
            )
        if "target" not in self.replies.names:
            raise InvalidSettings(
                f"commands.reply_topic {reply!r}: it needs {{target}}, so that no device can "
                f"answer for another, as in {REPLY_TOPIC!r}"
            )

    def request(self, target: str, command: str) -> str:
        """The request topic of a device's command; `InvalidInput` on a name that is no level."""
        names = {"{target}": level("target", target), "{command}": level("command", command)}
        return topics.check_topic(
            "/".join(names.get(part, part) for part in self._request.split("/"))
        )


def level(what: str, name: str) -> str:
    """`name` quoted as one topic level; `what` names it in the error."""
    if not 1 <= len(name) <= _LONGEST_NAME or "/" in name:
        raise InvalidInput(
            f"{what} {name[:40]!r}: write a name of 1 to {_LONGEST_NAME} characters without '/'"
        )
    fault = fault_in(name)
    if fault is not None:
        raise InvalidInput(f"{what} {name!r} has {fault}: leave it out")
    return topics.quote(name)


def jsonable(payload: Any) -> Any:
    """A command's payload as JSON values; models and dataclasses are taken too."""
    try:
        write_json(payload)  # refuses what a copy would carry on: NaN, lone surrogates
        return to_jsonable_python(payload)
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidPayload(f"a command's payload must be JSON: {error}") from error


def body(execution: str, payload: Any) -> bytes:
    """The bytes of a request, by the rule at the top of this file."""
    fields: dict[str, Any] = {"id": execution}
    if isinstance(payload, dict):
        if "id" in payload:
            raise InvalidPayload(
                "a command's payload has a field 'id', where the execution's id belongs: "
                "rename the field, or put the object into another one"
            )
        fields |= payload
    elif payload is not None:
        fields["payload"] = payload
    return write_json(fields)


def request(execution: Execution, topic: str, ttl: float, reply_to: str | None) -> Message:
    """The request message. `reply_to` is None on a 3.1.1 connection: its bytes stay plain there,
    because a device knows nothing of our envelope."""
    return Message(
        topic,
        body(execution.id, execution.payload),
        qos=1,
        content_type=JSON_TYPE,
        reply_to=reply_to,
        correlation=None if reply_to is None else execution.id.encode(),
        expires_in=ttl,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device says of an execution."""

    execution: str
    change: Change


def read_reply(message: Message) -> Reply | None:
    """The reply in `message`, or None where it names no execution or says nothing we know."""
    value = _value(message.payload)
    if message.correlation is None:
        return _named(value)
    execution = message.correlation.decode(errors="replace")
    if _STATUS.fullmatch(message.headers.get(STATUS_HEADER, "")):
        return Reply(execution, _by_status(int(message.headers[STATUS_HEADER]), value))
    change = _reported(value) if isinstance(value, dict) and "state" in value else None
    return Reply(execution, change or Change(State.SUCCEEDED, result=value))


def _named(value: Any) -> Reply | None:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return None
    change = _reported(value)
    return None if change is None else Reply(value["id"], change)


def _reported(fields: dict[str, Any]) -> Change | None:
    """A reply object's change; where it names no state, its fields tell."""
    state = _STATES.get(str(fields["state"])) if "state" in fields else _implied(fields)
    if state is None:
        return None
    return Change(state, fields.get("result"), fields.get("error"), fields.get("progress"))


def _implied(fields: dict[str, Any]) -> State:
    if "error" in fields:
        return State.FAILED
    if "progress" in fields and "result" not in fields:
        return State.IN_PROGRESS
    return State.SUCCEEDED


def _by_status(status: int, value: Any) -> Change:
    if status >= _FIRST_ERROR_STATUS:
        return Change(State.FAILED, error=value)
    return Change(State.SUCCEEDED, result=value)


def _value(payload: bytes) -> Any:
    """JSON where it is JSON, else text; None where empty. Bytes that are neither lose what is not
    UTF-8: a result travels on as JSON, which has no bytes."""
    if not payload:
        return None
    try:
        return parse_json(payload)
    except NotJson:
        return payload.decode(errors="replace")
