"""Every error this project raises, in one tree.

    DSkityError
    ├── InvalidInput (ValueError)      the caller must change something
    │   ├── InvalidTopic               a topic name or filter against MQTT's rules
    │   ├── InvalidPayload             a payload that its model refuses
    │   ├── InvalidHandler             a signature that cannot be bound
    │   └── InvalidSettings            a settings file, key or value
    ├── Unauthenticated                no token, or one nobody knows
    ├── Forbidden                      known, but not allowed this
    ├── NotFound (LookupError)         no such key, service, module, execution
    │   └── NoResponder                no client is subscribed to the request topic
    ├── Conflict                       the state is not the one the caller named
    ├── TooLarge                       over a limit, which the message names
    ├── Unsupported                    this broker or engine cannot promise it
    ├── Unavailable                    cannot now; the same call may pass later
    │   ├── NotConnected               no broker at the moment
    │   │   └── Unacknowledged         the broker answers, but does not acknowledge
    │   ├── StoreUnavailable           the KV store's server does not answer
    │   ├── Overloaded                 a bound is reached
    │   └── OutboxFull                 the disk outbox is at its bound
    ├── BrokerRefused                  the broker answered with an error code
    ├── RequestTimeout (TimeoutError)  no reply in time
    ├── RemoteError                    the responder answered with an error
    ├── EngineError                    a broker of ours did not start
    ├── StateUnusable                  a file in `state_dir` is damaged, or of a newer version
    └── ModuleFailed                   one module's import, registration or start

A message says what is wrong and what to write instead. Its HTTP status and gRPC code are in
`problem.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class DSkityError(Exception):
    """The base class: `except DSkityError` catches every error of DSkity."""


class InvalidInput(DSkityError, ValueError):
    """An argument is invalid; a retry without a change cannot succeed."""


class InvalidTopic(InvalidInput):
    """A topic name or filter breaks MQTT's rules ([MQTT-4.7])."""


class InvalidPayload(InvalidInput):
    """A payload cannot be decoded, or fails validation.

    `details` has one entry a fault, in pydantic's form (`loc`, `msg`, `type`), never the input.
    """

    def __init__(self, message: str, details: tuple[Mapping[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.details = details


class InvalidHandler(InvalidInput):
    """A handler's signature cannot be bound to its filter."""


class InvalidSettings(InvalidInput):
    """A settings file, key or value cannot be used."""


class Unauthenticated(DSkityError):
    """The call has no token, or an unknown one (`wrong_token`)."""

    def __init__(self, message: str, *, wrong_token: bool = False) -> None:
        super().__init__(message)
        self.wrong_token = wrong_token


class Forbidden(DSkityError):
    """The caller is known, but lacks the right."""


class NotFound(DSkityError, LookupError):
    """No such key, service, module or execution."""


class NoResponder(NotFound):
    """The broker said that no client is subscribed (MQTT 5 reason code 0x10)."""


class Conflict(DSkityError):
    """The state of the object is not the one that the caller expected."""


class TooLarge(DSkityError):
    """A limit is exceeded; the message names the limit and its setting."""


class Unsupported(DSkityError):
    """The broker, engine or protocol version does not support this."""


class Unavailable(DSkityError):
    """Not possible now; the same call may succeed in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotConnected(Unavailable):
    """There is no connection to the broker."""


class Unacknowledged(NotConnected):
    """The connection was closed because the broker did not acknowledge a publish in time."""


class StoreUnavailable(Unavailable):
    """The server of the key-value store does not answer."""


class Overloaded(Unavailable):
    """A limit of messages, bytes or streams is reached."""


class OutboxFull(Unavailable):
    """The disk outbox is at its bound and its policy is `reject`."""


class BrokerRefused(DSkityError):
    """The broker answered with an error; `reason_code` is MQTT 5's (spec 2.4), or 3.1.1's."""

    def __init__(self, message: str, reason_code: int) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class RequestTimeout(DSkityError, TimeoutError):
    """No reply arrived in time; the request may still have been handled."""


class RemoteError(DSkityError):
    """The responder answered with an error: its HTTP-style `status` and RFC 9457 `problem`."""

    def __init__(self, message: str, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class EngineError(DSkityError):
    """A broker that we run did not start or did not stay up."""


class StateUnusable(DSkityError):
    """A file in `state_dir` cannot be used; it is left as it is."""


class ModuleFailed(DSkityError):
    """One module could not be imported, registered or started; `module` names it.

    `at` is the file and line to look at, if the traceback does not have it.
    """

    def __init__(self, module: str, message: str, at: tuple[str, int] | None = None) -> None:
        super().__init__(f"module {module!r}: {message}")
        self.module = module
        self.at = at
