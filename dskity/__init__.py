"""DSkity: an event-driven message-bus runtime centred on MQTT.

Layout; the four folders below `dskity/` are imported under this name and know nothing of it:

    bus/        the language: messages, topics, the bus, transports
    broker/     the wire: MQTT transports, and the brokers we run
    handlers/   from a message to a Python function
    modules/    the contract, supervision, and the built-in modules
    config/     the settings                 cli/          the command, one file a verb
    wires.py    which client library         client.py     a bus without a runtime
    state_dir.py  what outlives the process  guarding.py   who may pass the doors
    running.py  where a runtime is           stopping.py   from SIGTERM and Ctrl-C to the end
    connections.py  one connection's parts   presence.py   the runtime's own state
    core.py     broker and connections       http_client.py  `clients.http_client`
    assembly.py services, built-in modules   readiness.py  what `/health/ready` asks
    provided.py what handlers get by type    unknown_keys.py  settings that no module reads
    runtime.py  holds and closes             banner.py, unknown_modules.py  what a start tells
    bootstrap.py  the composition root       ending.py     its end, held up by nobody
    logs.py, heap.py, version.py   of the process
    demo/       the demo and its checks      testing/      the kit for testing modules

**The public names** are those of `__all__` here, `dskity.testing` and `dskity.bootstrap`; they
change with the major version only. Everything else is internal. A public name is imported from its
home when it is first used, so that `import dskity` loads nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dskity.bus.bus import Bus
    from dskity.bus.errors import (
        BrokerRefused,
        Conflict,
        DSkityError,
        EngineError,
        Forbidden,
        InvalidHandler,
        InvalidInput,
        InvalidPayload,
        InvalidSettings,
        InvalidTopic,
        ModuleFailed,
        NoResponder,
        NotConnected,
        NotFound,
        OutboxFull,
        Overloaded,
        RemoteError,
        RequestTimeout,
        StateUnusable,
        StoreUnavailable,
        TooLarge,
        Unauthenticated,
        Unavailable,
        Unsupported,
    )
    from dskity.bus.events import (
        CommandChanged,
        Event,
        KvDeleted,
        KvExpired,
        KvSet,
        ModuleChanged,
        ServiceDown,
        ServiceUp,
    )
    from dskity.bus.message import Message, Receipt
    from dskity.bus.stream import MessageStream
    from dskity.bus.subscriptions import Subscription
    from dskity.config import DSkitySettings, load_settings
    from dskity.handlers.declare import on
    from dskity.handlers.dedupe import Dedupe
    from dskity.handlers.outcome import Drop, Reject, Retry
    from dskity.handlers.policy import RetryPolicy
    from dskity.modules.contract import (
        KV,
        Change,
        Commands,
        Entry,
        Events,
        Execution,
        GrpcClient,
        Instance,
        Module,
        ModuleMeta,
        MqttClient,
        Registry,
        TransportClients,
    )

    __version__: str

_HOMES = {
    "dskity.bus.bus": "Bus",
    "dskity.bus.errors": (
        "BrokerRefused Conflict DSkityError EngineError Forbidden InvalidHandler InvalidInput "
        "InvalidPayload InvalidSettings InvalidTopic ModuleFailed NoResponder NotConnected "
        "NotFound OutboxFull Overloaded RemoteError RequestTimeout StateUnusable "
        "StoreUnavailable TooLarge Unauthenticated Unavailable Unsupported"
    ),
    "dskity.bus.events": (
        "CommandChanged Event KvDeleted KvExpired KvSet ModuleChanged ServiceDown ServiceUp"
    ),
    "dskity.bus.message": "Message Receipt",
    "dskity.bus.stream": "MessageStream",
    "dskity.bus.subscriptions": "Subscription",
    "dskity.config": "DSkitySettings load_settings",
    "dskity.handlers.declare": "on",
    "dskity.handlers.dedupe": "Dedupe",
    "dskity.handlers.outcome": "Drop Reject Retry",
    "dskity.handlers.policy": "RetryPolicy",
    "dskity.modules.contract": (
        "KV Change Commands Entry Events Execution GrpcClient Instance Module ModuleMeta "
        "MqttClient Registry TransportClients"
    ),
}
"""Where each public name is defined: module → names."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "KV",
    "BrokerRefused",
    "Bus",
    "Change",
    "CommandChanged",
    "Commands",
    "Conflict",
    "DSkityError",
    "DSkitySettings",
    "Dedupe",
    "Drop",
    "EngineError",
    "Entry",
    "Event",
    "Events",
    "Execution",
    "Forbidden",
    "GrpcClient",
    "Instance",
    "InvalidHandler",
    "InvalidInput",
    "InvalidPayload",
    "InvalidSettings",
    "InvalidTopic",
    "KvDeleted",
    "KvExpired",
    "KvSet",
    "Message",
    "MessageStream",
    "Module",
    "ModuleChanged",
    "ModuleFailed",
    "ModuleMeta",
    "MqttClient",
    "NoResponder",
    "NotConnected",
    "NotFound",
    "OutboxFull",
    "Overloaded",
    "Receipt",
    "Registry",
    "Reject",
    "RemoteError",
    "RequestTimeout",
    "Retry",
    "RetryPolicy",
    "ServiceDown",
    "ServiceUp",
    "StateUnusable",
    "StoreUnavailable",
    "Subscription",
    "TooLarge",
    "TransportClients",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "__version__",
    "load_settings",
    "on",
]


def __getattr__(name: str) -> Any:
    """One of `__all__`, from its home."""
    if name == "__version__":
        return import_module("dskity.version").VERSION
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted({*globals(), *__all__})
