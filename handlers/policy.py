"""How a route treats its messages: the table of defaults that a user can change per route."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from dskity.bus.errors import InvalidHandler
from dskity.bus.events import EVENTS, Event
from dskity.bus.message import Message
from dskity.bus.middleware import Middleware, checked_middleware
from dskity.handlers.dedupe import Dedupe

OrderBy: TypeAlias = str | Callable[[Message], str] | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` is the total number (1 means no retry); the delays are `backoff` seconds,
    multiplied by `factor` each time, up to `max_backoff`. Jitter spreads each delay over its upper
    half, so that messages that failed together are not retried together."""

    attempts: int = 3
    backoff: float = 0.1
    factor: float = 2.0
    max_backoff: float = 5.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidHandler(
                f"RetryPolicy(attempts={self.attempts}): at least 1, the first one"
            )
        if self.backoff < 0 or self.max_backoff < 0 or self.factor < 1:
            raise InvalidHandler("RetryPolicy: backoff and max_backoff are ≥ 0, factor is ≥ 1")

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the failed `attempt` (1 is the first)."""
        full = min(self.backoff * self.factor ** (attempt - 1), self.max_backoff)
        return full * random.uniform(0.5, 1) if self.jitter else full  # noqa: S311  # no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePolicy:
    """The words that `@on` and `bus.subscribe` take, and their defaults.

    `qos` and `group` say how to subscribe; `timeout` is in seconds for one attempt, None for no
    limit; `concurrency` bounds the messages of the route that run at once; `order_by` is `topic`, a
    capture's name, a function of the message, or None for no order. `dedupe` handles each key
    once in its window. `ack` is when the broker hears of it: once it is `handled`, or, for slow
    handlers, once it is `stored` in the disk inbox. `reply` is whether requests are answered, also
    with nothing and with errors; None: where the handler is declared to return something.
    `best_effort` starts the route also on a broker that cannot share it within its `group` (every
    member then gets every message), or does not keep to its `qos` (it is then a lower one).
    `event` is the type of the lifecycle events that come: the payload is then one, and captures are
    unquoted; `on_event` sets it.
    `middleware` runs round the handler, inside that of the bus and the module; the first of it is
    the outermost.
    """

    qos: int = 1
    group: str | None = None
    timeout: float | None = 30.0
    retry: RetryPolicy = RetryPolicy()
    dead_letter: bool = True
    concurrency: int = 64
    order_by: OrderBy = "topic"
    on_invalid: Literal["dead_letter", "drop", "raise"] = "dead_letter"
    dedupe: Dedupe | None = None
    ack: Literal["handled", "stored"] = "handled"
    reply: bool | None = None
    best_effort: bool = False
    event: type[Event] | None = None
    middleware: Sequence[Middleware] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "middleware", checked_middleware(self.middleware, "middleware"))
        if self.qos not in {0, 1, 2}:
            raise InvalidHandler(f"qos={self.qos!r}: write 0, 1 or 2")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidHandler(f"timeout={self.timeout!r}: seconds above 0, or None for no limit")
        if self.concurrency < 1:
            raise InvalidHandler(f"concurrency={self.concurrency!r}: at least 1")
        if not isinstance(self.retry, RetryPolicy):
            raise InvalidHandler(f"retry={self.retry!r}: write RetryPolicy(attempts=…)")
        if self.on_invalid not in {"dead_letter", "drop", "raise"}:
            raise InvalidHandler(
                f"on_invalid={self.on_invalid!r}: write 'dead_letter', 'drop' or 'raise'"
            )
        if self.ack not in {"handled", "stored"}:
            raise InvalidHandler(f"ack={self.ack!r}: write 'handled' or 'stored'")
        if self.ack == "stored" and self.qos == 0:
            raise InvalidHandler("ack='stored' with qos=0: nothing is acknowledged at QoS 0")
        if self.event is not None and self.event not in EVENTS:
            raise InvalidHandler(
                f"event={getattr(self.event, '__name__', self.event)}: write one of "
                f"{', '.join(event.__name__ for event in EVENTS)}"
            )

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> RoutePolicy:
        """A policy of keyword arguments; an unknown one is refused with the nearest."""
        known = [field.name for field in fields(cls)]
        for word in words:
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise InvalidHandler(f"unknown option {word!r}: {hint}")
        return cls(**words)
