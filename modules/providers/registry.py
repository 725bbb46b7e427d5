"""All that is provided in one runtime: by type for handlers and modules, by name for readiness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from dskity.bus.base.threads import ThreadPool
from dskity.bus.errors import Conflict
from dskity.modules.providers.ping import PingCheck
from dskity.modules.providers.provision import Provision, is_extension_point

T = TypeVar("T")
RUNTIME = "the runtime"
"""The owner of what no module provides: the settings, the HTTP client."""


class ProviderRegistry:
    """The provisions of a runtime, each type there once.

    Plain pings run in `threads`. `explain` says of a type that no module provides whose it is; the
    supervisor, who knows all modules, sets it.
    """

    def __init__(self, threads: ThreadPool) -> None:
        self.explain: Callable[[Any], str] = _unknown
        self.checks: dict[str, PingCheck] = {}
        """The readiness checks of what is made and has a ping, by name."""
        self._threads = threads
        self._provisions: dict[object, Provision] = {}
        self._users: dict[Provision, set[str]] = {}

    def __iter__(self) -> Iterator[Provision]:
        return iter(tuple(self._provisions.values()))

    def add(self, provision: Provision) -> None:
        """Offer it; `Conflict` where its type or the name of its check is taken."""
        for other in self:
            if other.key == provision.key:
                raise Conflict(_twice(provision, other))
            if provision.ping and other.ping and other.check == provision.check:
                raise Conflict(
                    f"two modules define the readiness check {provision.check!r}, {_by(other)} and "
                    f"{_by(provision)}: pass another name="
                )
        self._provisions[provision.key] = provision
        self._users[provision] = set()

    def watch(self, provision: Provision) -> None:
        """Have readiness ask for it, now that it is made."""
        if provision.ping is not None:
            name = provision.check
            self.checks[name] = PingCheck(name, provision.ping, provision.get(), self._threads)

    def remove(self, provision: Provision) -> None:
        """Take it back."""
        if self._provisions.get(provision.key) is provision:
            del self._provisions[provision.key]
            del self._users[provision]
            if provision.ping is not None:
                self.checks.pop(provision.check, None)

    def find(self, kind: Any, user: str = "") -> Provision | None:
        """What provides `kind`, if anything; `user` is the module that is going to use it."""
        found = self._provisions.get(kind)
        if found is None and isinstance(kind, type):
            found = self._provisions.get((kind.__module__, kind.__qualname__))
        if found is not None and user and user != found.owner:
            self._users.get(found, set()).add(user)  # plain handlers ask from their threads
        return found

    def all(self, kind: type[T]) -> dict[str, T]:
        """What is provided of an extension point and made, by name."""
        return {p.check: p.get() for p in self if p.kind is kind and p.made}

    def forget_user(self, user: str) -> None:
        """The module uses nothing any more."""
        for users in self._users.copy().values():
            users.discard(user)

    def users_of(self, owner: str) -> set[str]:
        """The modules that use what `owner` provides."""
        using = [users.copy() for p, users in self._users.copy().items() if p.owner == owner]
        return set().union(*using)

    def why_not(self, kind: Any) -> str:
        """What is known of a type that no module provides, as a clause; empty where it is
        nothing."""
        return self.explain(kind)

    def seen_by(self, owner: str) -> Mapping[type, Any]:
        """See `handlers.provided.Injectables`: the values for the handlers of a module."""
        return _Seen(self, owner)

    async def close(self) -> None:
        """Close what the runtime itself provides, in reverse order."""
        for provision in reversed(tuple(self)):
            if provision.owner == RUNTIME:
                self.remove(provision)
                await provision.end()


class _Seen(Mapping[type, Any]):
    """The registry as the binding of one module's handlers sees it: what it takes, it uses."""

    def __init__(self, registry: ProviderRegistry, owner: str) -> None:
        self._registry = registry
        self._owner = owner

    def why_not(self, kind: Any) -> str:
        return self._registry.why_not(kind)

    def __contains__(self, kind: object) -> bool:
        return self._registry.find(kind) is not None

    def __getitem__(self, kind: type) -> Any:
        provision = self._registry.find(kind, self._owner)
        if provision is None:
            raise KeyError(kind)
        return provision.get()

    def __iter__(self) -> Iterator[type]:
        return (provision.load() for provision in self._registry)

    def __len__(self) -> int:
        return sum(1 for _ in self._registry)


def _by(provision: Provision) -> str:
    owner = provision.owner
    return owner if owner == RUNTIME else f"module {owner!r}"


def _twice(provision: Provision, other: Provision) -> str:
    who = f"is provided twice, by {_by(other)} and {_by(provision)}"
    if is_extension_point(provision.kind):
        return f"{provision.label} {provision.check!r} {who}: pass another name="
    return (
        f"{provision.label} {who}: provide a class derived from it in one of them, or disable one"
    )


def _unknown(kind: Any) -> str:
    del kind
    return ""
