"""DSkity: an event-driven message-bus runtime centred on MQTT.

Layout; the four folders below `dskity/` are imported under this name and know nothing of it:

    bus/          the language: messages, topics, the bus, transports
    broker/       the wire: MQTT transports, and the brokers we run
    handlers/     from a message to a Python function
    modules/      the contract, the lifecycle of modules, and the built-in modules
    config/       the settings                cli/          the command, one file a verb
    composition/  the parts of a runtime      process/      state on the disk, the log, the end
    notices/      what a start says           bootstrap.py  the composition root
    client.py     a bus without a runtime     version.py    the version
    demo/         the demo and its checks     testing/      the kit for testing modules

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
    from dskity.bus.middleware import Call, Middleware, Next
    from dskity.bus.routing.subscriptions import Subscription
    from dskity.bus.stream import MessageStream
    from dskity.config import DSkitySettings, ModuleConfig, load_settings
    from dskity.handlers.declare import on, on_event
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
    from dskity.modules.extensions import Metric, Metrics
    from dskity.modules.kv.store import KvStore, KvStoreChange
    from dskity.modules.webhooks.options import WebhookOptions
    from dskity.modules.webhooks.presets.preset import (
        WebhookDelivery,
        WebhookPreset,
        WebhookVerifier,
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
    "dskity.bus.middleware": "Call Middleware Next",
    "dskity.bus.stream": "MessageStream",
    "dskity.bus.routing.subscriptions": "Subscription",
    "dskity.config": "DSkitySettings ModuleConfig load_settings",
    "dskity.handlers.declare": "on on_event",
    "dskity.handlers.dedupe": "Dedupe",
    "dskity.handlers.outcome": "Drop Reject Retry",
    "dskity.handlers.policy": "RetryPolicy",
    "dskity.modules.extensions": "Metric Metrics",
    "dskity.modules.kv.store": "KvStore KvStoreChange",
    "dskity.modules.webhooks.options": "WebhookOptions",
    "dskity.modules.webhooks.presets.preset": "WebhookDelivery WebhookPreset WebhookVerifier",
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
    "Call",
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
    "KvStore",
    "KvStoreChange",
    "Message",
    "MessageStream",
    "Metric",
    "Metrics",
    "Middleware",
    "Module",
    "ModuleChanged",
    "ModuleConfig",
    "ModuleFailed",
    "ModuleMeta",
    "MqttClient",
    "Next",
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
    "WebhookDelivery",
    "WebhookOptions",
    "WebhookPreset",
    "WebhookVerifier",
    "__version__",
    "load_settings",
    "on",
    "on_event",
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
