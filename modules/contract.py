"""What module authors write against: `ModuleMeta`, `Module`, and the `TransportClients` they get.

A module is any class with `meta` and `register(self, clients, config)`. The base class `Module` is
a convenience, never a condition: it brings empty methods for the rest of the contract.
"""

from __future__ import annotations

import logging
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel
from typing_extensions import TypeVar as TypeVarWithDefault

from dskity.bus.bus import Bus
from dskity.bus.message import Message
from dskity.bus.middleware import Middleware
from dskity.modules.providers.handle import Providers

T = TypeVar("T")
S = TypeVarWithDefault("S", bound=BaseModel, default=Any)
"""The model of a module's settings."""


@dataclass(frozen=True, slots=True)
class ModuleMeta:
    """The identity of a module.

    `name` is its key under `modules` in the settings; `base_path` is the prefix of its HTTP routes;
    `depends_on` names modules that must start before it.
    """

    name: str
    base_path: str = ""
    depends_on: tuple[str, ...] = ()
    version: str = "0"


class Module(Generic[S]):
    """A convenient base class: set `meta`, mark handlers with `@on`, override methods as needed.

    `class Thermostat(Module[ThermostatSettings])` has its `additional_settings` validated as that
    model; with `config: ModuleConfig[ThermostatSettings]` in `register`, `config.settings` is it.
    """

    meta: ClassVar[ModuleMeta]
    middleware: ClassVar[Sequence[Middleware]] = ()
    """Runs round every handler of the module, the first one outermost."""

    def register(self, clients: TransportClients, config: Any) -> None:
        """Add routes, and handlers beside those marked with `@on`."""

    def additional_settings_model(self) -> type[S] | None:
        """The model of `modules.<name>.additional_settings`: that of `Module[Model]`; None, where
        there is none, for a free mapping."""
        return _model_of(type(self))

    async def on_startup(self, clients: TransportClients) -> None:
        """Called after `register`, before the module is started."""

    async def on_shutdown(self, clients: TransportClients) -> None:
        """Called after the handlers of the module have finished."""


def _model_of(cls: type) -> type[Any] | None:
    """The model in the brackets of `Module[…]`, wherever among the bases it stands."""
    for base in cls.__mro__:
        for written in base.__dict__.get("__orig_bases__", ()):
            origin = typing.get_origin(written)
            if isinstance(origin, type) and issubclass(origin, Module):
                for argument in typing.get_args(written):
                    if isinstance(argument, type) and issubclass(argument, BaseModel):
                        return argument
    return None


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the KV store: `value` is JSON; `expires_in` is seconds left, None for never."""

    key: str
    value: Any
    version: int
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a key, as `kv.watch` yields it; `kind` is `set`, `deleted` or `expired`."""

    kind: str
    key: str
    version: int
    value: Any = None


class KV(Protocol):
    """The key-value store as modules see it. Values are JSON; `None` is a value.

    Every method may raise `StoreUnavailable`.
    """

    async def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default` if the key is missing or expired."""
        ...

    async def put(
        self,
        key: str,
        value: Any,
        ttl_seconds: float | None = None,
        if_version: int | None = None,
    ) -> int:
        """Store the value and return the new version; `Conflict` if `if_version` is not the current
        one.

        `ttl_seconds`: None takes `kv.default_ttl_seconds`, 0 never expires, negative is an error.
        `if_version` 0 means that the key must not exist.
        """
        ...

    async def delete(self, key: str, if_version: int | None = None) -> bool:
        """Delete the key; return whether it existed."""
        ...

    async def keys(self, prefix: str = "") -> list[str]:
        """The live keys that start with `prefix`, sorted."""
        ...

    async def entry(self, key: str) -> Entry | None:
        """The value with its version and the seconds left; None if the key is missing."""
        ...

    def watch(self, prefix: str = "") -> AsyncIterator[Change]:
        """The changes of keys under `prefix`, from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One live instance of a service; `metadata` is free JSON, times are Unix seconds."""

    service: str
    instance: str
    url: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "service"
    ttl_seconds: float = 60.0
    registered_at: float = 0.0
    last_seen: float = 0.0


class Registry(Protocol):
    """The service registry as modules see it."""

    async def register(
        self,
        service: str,
        instance: str,
        url: str,
        metadata: Mapping[str, Any] | None = None,
        ttl_seconds: float | None = None,
        kind: str = "service",
    ) -> Instance:
        """Register an instance and send its heartbeats until `deregister`."""
        ...

    async def deregister(self, service: str, instance: str) -> bool:
        """Remove an instance; return whether it was registered."""
        ...

    def services(self) -> list[str]:
        """The names of services with a live instance, sorted."""
        ...

    def instances(self, service: str) -> list[Instance]:
        """The live instances of a service, sorted by instance."""
        ...

    def resolve(self, service: str) -> Instance:
        """The next live instance in turn, never one of this runtime; `NotFound` if there is
        none."""
        ...


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution of one command. `state`: accepted → sent → in_progress → succeeded | failed |
    rejected | timed_out | cancelled. Times are Unix seconds."""

    id: str
    target: str
    command: str
    state: str
    payload: Any = None
    result: Any = None
    error: Any = None
    progress: Any = None
    created_at: float = 0.0
    updated_at: float = 0.0
    expires_at: float = 0.0
    idempotency_key: str | None = None


class Commands(Protocol):
    """Commands to devices, tracked from accepted to done."""

    async def execute(
        self,
        target: str,
        command: str,
        payload: Any = None,
        *,
        wait: float = 0.0,
        ttl: float | None = None,
        idempotency_key: str | None = None,
        require_responder: bool = False,
    ) -> Execution:
        """Send a command; return when it has ended or after `wait` seconds."""
        ...

    async def get(self, execution: str) -> Execution:
        """An execution; `NotFound` if it is not known."""
        ...

    async def list(self, target: str | None = None, state: str | None = None) -> list[Execution]:
        """The known executions, newest first."""
        ...

    async def cancel(self, execution: str) -> Execution:
        """Cancel an execution; `Conflict` if it has already ended."""
        ...

    def watch(self, execution: str) -> AsyncIterator[Execution]:
        """The current state, then each change, until the execution has ended."""
        ...


class MqttClient(Protocol):
    """`clients.mqtt`: the bus with the method names of DSkity 1."""

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected to the broker."""
        ...

    async def publish(
        self, topic: str, payload: Any = b"", qos: int = 1, retain: bool = False
    ) -> Any:
        """As `Bus.publish`."""
        ...

    def subscribe(self, filter: str, qos: int = 1) -> None:
        """Deliver messages of this filter to the handlers that were added for it."""
        ...

    def add_message_handler(
        self, filter: str, handler: Callable[[Message], Awaitable[None] | None]
    ) -> None:
        """Call `handler` with each matching message, and subscribe if necessary."""
        ...


class GrpcClient(Protocol):
    """`clients.grpc`: add servicers to our server, and open channels to others."""

    def add(self, register: Callable[[Any], None], *service_names: str) -> None:
        """`register(server)` is called before the server starts, as generated code expects."""
        ...

    def channel(self, target: str) -> Any:
        """A shared `grpc.aio` channel to `host:port`, closed with the runtime."""
        ...


class Events(Protocol):
    """`clients.events`: named events inside this runtime and, through the bus, between runtimes."""

    def on(self, name: str, handler: Callable[[Any], Awaitable[None] | None]) -> None:
        """Call `handler(data)` for each event of this name."""
        ...

    def off(self, name: str, handler: Callable[[Any], Awaitable[None] | None]) -> None:
        """Stop calling `handler` for this name."""
        ...

    async def emit(self, name: str, data: Any = None) -> int:
        """Publish the event; return the number of local handlers called."""
        ...


@dataclass(slots=True)
class TransportClients:
    """The clients that a module can use. Each module has its own copy, whose `bus` and
    `logger` have the name of the module, so that its registrations can be found and removed."""

    bus: Bus
    mqtt: MqttClient
    http: Any
    """The `fastapi.FastAPI` app."""
    grpc: GrpcClient
    events: Events
    logger: logging.Logger
    providers: Providers
    """What `provide` and `get` act on."""

    @property
    def kv(self) -> KV:
        """The key-value store."""
        return self.get(KV)

    @property
    def registry(self) -> Registry:
        """The service registry."""
        return self.get(Registry)

    @property
    def commands(self) -> Commands:
        """Commands to devices."""
        return self.get(Commands)

    @property
    def http_client(self) -> Any:
        """A shared `httpx.AsyncClient`, closed with the runtime."""
        return self.providers.get_named("httpx", "AsyncClient")

    def provide(
        self,
        kind: type[T],
        factory: Callable[[], T | Awaitable[T]],
        *,
        close: Callable[[T], object] | None = None,
        ping: Callable[[T], object] | None = None,
        name: str | None = None,
    ) -> None:
        """Offer a value of the type `kind` to handlers, which annotate a parameter with the type,
        and to other modules, which call `get(kind)`. Call it in `register` only.

        `factory()` makes the value, once: when `register` has returned, before the module's
        handlers are subscribed and `on_startup` runs; a plain one earlier, if `get` asks earlier.
        `close(value)` runs after the module's `on_shutdown`, last made first; all of that together
        has 10 s.
        `ping(value)` is a check of `/health/ready` under `name` (default: `module.Type`): the value
        is not well where it raises, returns False, or has not returned after 1.5 s. All three may
        be coroutine functions; a plain `ping` runs in a thread, the others on the event loop.

        If the factory raises, only this module fails. The values of a module that fails, is
        disabled or is reloaded are removed. Raises `Conflict` if another module provides the type.
        """
        self.providers.provide(kind, factory, close=close, ping=ping, name=name)

    def get(self, kind: type[T]) -> T:
        """The value that this or an earlier module provides for the type `kind`; name that module
        in `meta.depends_on`, so that it starts earlier. Raises `Unavailable` if no module provides
        it."""
        return self.providers.get(kind)

    def find(self, kind: type[T]) -> T | None:
        """As `get`; None if no module provides it."""
        return self.providers.find(kind)

    def all(self, kind: type[T]) -> Mapping[str, T]:
        """The values that modules currently provide for an extension point (`Metrics`, …), by
        name."""
        return self.providers.registry.all(kind)

    def get_logger(self, name: str) -> logging.Logger:
        """A logger below this module's own."""
        return self.logger.getChild(name)

    def for_module(self, name: str) -> TransportClients:
        """The copy for one module."""
        return replace(
            self,
            bus=self.bus.scope(name),
            logger=logging.getLogger(f"dskity.modules.{name}"),
            providers=self.providers.scope(name),
        )


@runtime_checkable
class Check(Protocol):
    """Something that readiness asks: `await check()` returns None when well, else the reason."""

    async def __call__(self) -> str | None:
        """None, or why not ready."""
        ...
