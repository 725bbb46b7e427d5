"""Units that register handlers: what users write, and the built-ins, which are modules like theirs.

Layout, lowest first; each imports only from those above it:

    providers/     what modules offer to others, by type
    extensions.py  what they provide under a name: metrics, presets, stores
    contract.py    what modules are written against, and what they are given
    contracts.py   the same under the name that DSkity 1 gave it
    rights.py      what a caller may do
    clients/       `clients.mqtt`, `clients.events`, and how their handlers are called
    lifecycle/     from a search path to a running module, and to its end
    audit/, access/   who may call the HTTP and gRPC APIs, and what is written down of it

The other folders (`kv/`, `registry/`, …) are the built-ins. What a module's author needs is
importable from `dskity`.
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
