"""From a message to a Python function: `@on`, and what happens between arrival and acknowledgement.

Layout, lowest first:

    outcome.py     Drop, Reject, Retry          policy.py      RetryPolicy, RoutePolicy
    declare.py     @on, @on_event               ordering.py    order_by
    provided.py    what goes by type            binding.py     a signature, bound once
    event_payload.py  a lifecycle event as a payload
    dead_letter.py what failed for good         returning.py   what is returned, checked
    in_flight.py   the bound on messages    started_coroutine.py  a coroutine, step by step
    key_serializer.py  order and concurrency        worker_pool.py the workers
    unawaited.py   a coroutine as a result
    dedupe.py      each key once                chain.py       middleware round the handler
    route/         one handler's messages       stored.py      the disk inbox
    dispatcher.py  puts these together
"""

from dskity.handlers.declare import Declaration, declared, on, on_event
from dskity.handlers.dedupe import Dedupe
from dskity.handlers.dispatcher import Dispatcher
from dskity.handlers.outcome import Drop, Reject, Retry
from dskity.handlers.policy import RetryPolicy, RoutePolicy

__all__ = [
    "Declaration",
    "Dedupe",
    "Dispatcher",
    "Drop",
    "Reject",
    "Retry",
    "RetryPolicy",
    "RoutePolicy",
    "declared",
    "on",
    "on_event",
]
