"""The chain round a handler: composed once, when the handler is registered.

From the outside in: deduplication, the middleware of the bus, of the module and of the route, and
as the last link the handler, its parameters read from the message that the others passed on. The
time-out, the retries, the reply and the acknowledgement are outside (see `route/`). A route without
links has no chain: it starts its handler by `Binding.starter`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dskity.bus.delivery import Delivery
from dskity.bus.message import Message
from dskity.bus.middleware import Call, Middleware, Next
from dskity.handlers.binding import Binding, Captures, Start


@dataclass(frozen=True, slots=True)
class Frame:
    """What every `Call` of one route says."""

    route: str
    module: str
    filter: str
    attempts: int
    timeout: float | None


def chained(binding: Binding, links: Sequence[Middleware], frame: Frame) -> Start:
    """The start of a handler with links round it, the first one outermost."""
    chain = _in_thread(binding) if binding.in_thread else _in_place(binding)
    for link in reversed(links):
        chain = _linked(link, chain)
    call_of = _calls(frame, in_thread=binding.in_thread)

    def start(delivery: Delivery, captures: Captures, attempt: int = 1) -> Any:
        return chain(call_of(captures, attempt), delivery.message())

    return start


def _linked(link: Middleware, following: Next) -> Next:
    return lambda call, message: link(call, message, following)


@dataclass(frozen=True, slots=True)
class _ThreadCall(Call):
    """A call whose handler runs in a thread, and the task that the thread belongs to."""

    task: asyncio.Task[Any] | None = field(default=None, repr=False, compare=False)


def _calls(frame: Frame, *, in_thread: bool) -> Callable[[Captures, int], Call]:
    """Makes the `Call` of each attempt. Captures may be shared with other messages of the topic,
    so they may not be changed."""
    route, module, filter = frame.route, frame.module, frame.filter
    attempts, timeout = frame.attempts, frame.timeout
    plain = Call(route, module, filter, MappingProxyType({}), 1, attempts, timeout)

    def call_of(captures: Captures, attempt: int) -> Call:
        if not captures and attempt == 1:
            return plain  # a new one would be a third of what the chain costs
        return Call(route, module, filter, MappingProxyType(captures), attempt, attempts, timeout)

    def thread_call_of(captures: Captures, attempt: int) -> Call:
        task, seen = asyncio.current_task(), MappingProxyType(captures)
        return _ThreadCall(route, module, filter, seen, attempt, attempts, timeout, task)

    return thread_call_of if in_thread else call_of


class _PassedOn(Delivery):
    """A message that the parameters of a handler are read from. Nothing is to acknowledge."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self.topic = message.topic
        self.payload = message.payload
        self._message = message

    def message(self) -> Message:
        return self._message


def _in_place(binding: Binding) -> Next:
    call_handler, getters = binding.call, binding.getters

    async def handle(call: Call, message: Message) -> Any:
        passed, captures = _PassedOn(message), call.captures
        return await call_handler(*[get(passed, captures) for get in getters])

    return handle


def _in_thread(binding: Binding) -> Next:
    """For a plain function: its thread belongs to the attempt, also where a middleware awaits
    `next` in a task of its own (as `asyncio.wait_for` does before Python 3.12), so that a thread
    past its time-out keeps the key."""
    call_handler, getters = binding.call, binding.getters

    async def handle(call: Call, message: Message) -> Any:
        passed, captures = _PassedOn(message), call.captures
        arguments = [get(passed, captures) for get in getters]
        return await call_handler(*arguments, caller=getattr(call, "task", None))

    return handle
