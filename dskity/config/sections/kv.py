"""`kv`: the key-value store."""

from typing import Literal

from pydantic import Field, SecretStr

from dskity.config.sections.section import Section
from dskity.config.sections.urls import HttpUrl, RedisUrl


class RedisSettings(Section):
    """For `kv.store: redis`."""

    url: RedisUrl = "redis://127.0.0.1:6379/0"
    """The server, as `redis://`, `rediss://` (TLS) or `unix://`."""
    key_prefix: str = "dskity"
    """Put before every key on the server, with a colon."""


class ConsulSettings(Section):
    """For `kv.store: consul`."""

    url: HttpUrl = "http://127.0.0.1:8500"
    """The agent's HTTP address."""
    key_prefix: str = "dskity"
    """Put before every key on the server, with a slash."""
    verify: bool = True
    """Check the server's certificate on `https://`."""
    token: SecretStr | None = None
    """ACL token."""


class RingSettings(Section):
    """How keys are spread over several runtimes with `kv.store: inmemory`."""

    vnodes: int = Field(default=64, ge=1, le=4096)
    """Points of each runtime on the ring; more spread keys more evenly."""


class KvSettings(Section):
    """The key-value store."""

    store: Literal["inmemory", "sqlite", "redis", "consul"] = "inmemory"
    """Where keys are kept: in this process, in `state_dir`, or on a server."""
    default_ttl_seconds: float = Field(default=60, ge=0)
    """Seconds until a key that is put without a TTL expires; 0 means never."""
    redis: RedisSettings = RedisSettings.defaults()
    """For `store: redis`."""
    consul: ConsulSettings = ConsulSettings.defaults()
    """For `store: consul`."""
    ring: RingSettings = RingSettings.defaults()
    """For `store: inmemory` with several runtimes."""
