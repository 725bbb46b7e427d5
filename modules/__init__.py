"""Units that register handlers: what users write, and the built-ins, which are modules like theirs.

Layout, lowest first; each file imports only from those above it:

    contract.py       what modules are written against, and what they are given
    contracts.py      the same under the name that DSkity 1 gave it
    shape.py          whether an object is a module, and what its meta says
    failure.py        an error as one sentence, a place, a report and a digest
    slips.py          hooks under wrong names         shadowed.py   routes that nobody can reach
    found.py          what discovery returns          order.py      dependency order
    loading.py        imports under private names     trust.py      who may write that code
    discovery.py      search paths → modules
    tasks.py          tasks with a name and a parent  calls.py      async and plain handlers
    hydrate.py        `additional_settings`       answering.py  requests, answered by one of several
    mqtt_client.py    `clients.mqtt`                  events_client.py  `clients.events`
    scope.py          all that one module has added   hooks.py      its own code, called
    unit.py           one module's life
    supervisor.py     start, stop, failure and state of all

`peer_owner.py`, `loopback.py` (whether the person at this machine calls), `rights.py`,
`security.py`, `token_file.py`, `doors.py`, `request_id.py`, `documented.py` and `direct_route.py`
are what the doors share, and so is `audit/`; the other folders (`kv/`, `registry/`, …) are the
built-ins' own. What a module's author needs is importable from here.
"""

from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.handlers.declare import on
from dskity.handlers.dedupe import Dedupe
from dskity.handlers.outcome import Drop, Reject, Retry
from dskity.handlers.policy import RetryPolicy
from dskity.modules.contract import (
    KV,
    Commands,
    Events,
    GrpcClient,
    Module,
    ModuleMeta,
    MqttClient,
    Registry,
    TransportClients,
)

__all__ = [
    "KV",
    "Bus",
    "Commands",
    "Dedupe",
    "Drop",
    "Events",
    "GrpcClient",
    "Message",
    "Module",
    "ModuleMeta",
    "MqttClient",
    "Registry",
    "Reject",
    "Retry",
    "RetryPolicy",
    "TransportClients",
    "on",
]
