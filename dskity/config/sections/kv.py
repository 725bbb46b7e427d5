"""`kv`: the key-value store."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr

from dskity.config.sections.planned import Planned
from dskity.config.sections.section import Section
from dskity.config.sections.urls import HttpUrl, RedisUrl

PLANNED = frozenset({"sqlite", "consul"})


def _built(store: Any) -> Any:
    if store in PLANNED:
        raise ValueError(f"there is no {store} store yet: write inmemory or redis")
    return store


class RedisSettings(Section):
    """For `kv.store: redis`."""

    url: RedisUrl = "redis://127.0.0.1:6379/0"
    """The server, as `redis://`, `rediss://` (TLS) or `unix://`."""
    key_prefix: str = "dskity"
    """Put before every key on the server, with a colon."""


class ConsulSettings(Section):
    """For `kv.store: consul`, which is not there yet."""

    url: HttpUrl = "http://127.0.0.1:8500"
    """The agent's HTTP address."""
    key_prefix: str = "dskity"
    """Put before every key on the server, with a slash."""
    verify: bool = True
    """Check the server's certificate on `https://`."""
    token: SecretStr | None = None
    """ACL token."""


class RingSettings(Planned):
    """How keys are spread over several runtimes with `kv.store: inmemory`; not there yet."""

    missing: ClassVar[str] = "keys are not spread over runtimes"

    vnodes: int = Field(default=64, ge=1, le=4096)
    """Points of each runtime on the ring; more spread keys more evenly."""


class KvSettings(Section):
    """The key-value store."""

    store: Annotated[Literal["inmemory", "redis"], BeforeValidator(_built)] = "inmemory"
    """Where keys are kept: in this process, or on a server."""
    default_ttl_seconds: float = Field(default=60, ge=0)
    """Seconds until a key that is put without a TTL expires; 0 means never."""
    redis: RedisSettings = RedisSettings.defaults()
    """For `store: redis`."""
    consul: ConsulSettings = ConsulSettings.defaults()
    """For `store: consul`; not there yet."""
    ring: RingSettings = RingSettings.defaults()
    """For `store: inmemory` with several runtimes; not there yet."""
