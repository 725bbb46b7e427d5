"""`kv`: the key-value store."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SecretStr

from dskity.config.sections.planned import Planned
from dskity.config.sections.section import Section
from dskity.config.sections.urls import HttpUrl, RedisUrl

PLANNED = frozenset({"sqlite", "consul"})


def _built(store: Any) -> Any:
    if store in PLANNED:
        raise ValueError(f"the store {store} is not implemented yet: write inmemory or redis")
    return store


class KvEventsSettings(Section):
    """The events of keys."""

    value: bool = False
    """Include the last value in the events of deleted and expired keys, up to 256 KiB and the limit
    of the broker. Every client that may subscribe to `{root}/kv/#` can read it."""


class RedisSettings(Section):
    """For `kv.store: redis`."""

    url: RedisUrl = "redis://127.0.0.1:6379/0"
    """The server, as `redis://`, `rediss://` (TLS) or `unix://`."""
    key_prefix: str = "dskity"
    """Prefix of every key on the server, followed by a colon."""


class ConsulSettings(Section):
    """For `kv.store: consul`, which is not implemented yet."""

    url: HttpUrl = "http://127.0.0.1:8500"
    """The agent's HTTP address."""
    key_prefix: str = "dskity"
    """Prefix of every key on the server, followed by a slash."""
    verify: bool = True
    """Check the server's certificate on `https://`."""
    token: SecretStr | None = None
    """ACL token."""


class RingSettings(Planned):
    """Distribution of keys over runtimes with `kv.store: inmemory`; not implemented yet."""

    missing: ClassVar[str] = "keys are not spread over runtimes"

    vnodes: int = Field(default=64, ge=1, le=4096)
    """Points of each runtime on the ring; more points distribute keys more evenly."""


class KvSettings(Section):
    """The key-value store."""

    store: Annotated[str, BeforeValidator(_built)] = "inmemory"
    """Where keys are stored: inmemory, redis, or the name of a module that provides a store."""
    default_ttl_seconds: float = Field(default=60, ge=0)
    """Seconds until a key without its own TTL expires; 0 means never."""
    events: KvEventsSettings = KvEventsSettings.defaults()
    """The events of keys."""
    redis: RedisSettings = RedisSettings.defaults()
    """For `store: redis`."""
    consul: ConsulSettings = ConsulSettings.defaults()
    """For `store: consul`; not there yet."""
    ring: RingSettings = RingSettings.defaults()
    """For `store: inmemory` with several runtimes; not there yet."""
