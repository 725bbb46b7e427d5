"""`http` and `grpc`: the servers of the APIs."""

from pathlib import Path
from typing import Self

from pydantic import ByteSize, Field, model_validator

from dskity.config.sections.section import MIB, Section


class ServerTlsSettings(Section):
    """TLS of a server; without both files it serves plain text."""

    cert_file: Path | None = None
    """PEM file of the server's certificate chain."""
    key_file: Path | None = None
    """PEM file of the certificate's private key."""
    client_ca_file: Path | None = None
    """PEM file of the authorities of required client certificates; null: none required."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or neither")
        if self.client_ca_file is not None and self.cert_file is None:
            raise ValueError("client_ca_file needs cert_file and key_file")
        return self


class CorsSettings(Section):
    """Which web pages of other origins may call the HTTP API."""

    allow_origins: tuple[str, ...] = ()
    """Origins, such as https://panel.example; none by default."""
    allow_methods: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")
    """HTTP methods."""
    allow_headers: tuple[str, ...] = ("Authorization", "Content-Type", "X-Request-Id")
    """Request headers."""
    allow_credentials: bool = False
    """Allow cookies and HTTP authentication; requires a list of origins without `*`."""

    @model_validator(mode="after")
    def _no_credentials_for_all(self) -> Self:
        if self.allow_credentials and "*" in self.allow_origins:
            raise ValueError("allow_credentials needs origins by name: replace * in allow_origins")
        return self


class HttpSettings(Section):
    """The HTTP API; it listens on `host` and `port`."""

    enabled: bool = True
    """Start the server."""
    max_body_bytes: ByteSize = Field(default=ByteSize(MIB), ge=1)
    """Maximum size of a request body in bytes; a larger one is answered with 413."""
    max_bodies_bytes: ByteSize = Field(default=ByteSize(64 * MIB), ge=1)
    """Maximum bytes of all request bodies in memory; further ones are answered with 503."""
    max_header_bytes: ByteSize = Field(default=ByteSize(64 * 1024), ge=1024)
    """Maximum size of a request's head, and of its trailers, in bytes."""
    max_connections: int = Field(default=1000, ge=1)
    """Maximum number of connections; of more, only `/health` is answered, the rest with 503."""
    max_connections_per_address: int = Field(default=250, ge=1)
    """Maximum number of connections of one IPv4 address or IPv6 /64 network, this machine's
    excepted; raise it to `max_connections` behind a reverse proxy."""
    reserved_connections: int = Field(default=50, ge=1)
    """Additional connections for `/health`, and the same number for this machine."""
    head_timeout_seconds: float = Field(default=10.0, gt=0)
    """Seconds until a connection has sent a request's head."""
    body_timeout_seconds: float = Field(default=60.0, gt=0)
    """Seconds until a request has sent its body, and for which a response may wait for a reader."""
    idle_timeout_seconds: float = Field(default=30.0, gt=0)
    """Seconds that a connection may wait for its next request."""
    max_streams: int = Field(default=100, ge=1)
    """Maximum number of open event streams; further ones are answered with 503."""
    cors: CorsSettings = CorsSettings.defaults()
    """Calls by web pages of other origins."""
    tls: ServerTlsSettings = ServerTlsSettings.defaults()
    """TLS."""


class GrpcSettings(Section):
    """The gRPC API."""

    enabled: bool = True
    """Start the server."""
    host: str = "0.0.0.0"  # noqa: S104  # the door is guarded; `host` of HTTP is the same
    """Address to listen on."""
    port: int = Field(default=50_051, ge=0, le=65_535)
    """TCP port; 0 takes a free one."""
    max_message_bytes: ByteSize = Field(default=ByteSize(4 * MIB), ge=1024)
    """Maximum size of a request in bytes."""
    max_streams: int = Field(default=1000, ge=1)
    """Maximum number of calls at the same time on one connection."""
    max_connections: int = Field(default=1000, ge=1)
    """Maximum number of connections; more are closed."""
    max_calls: int = Field(default=2000, ge=1)
    """Maximum number of calls at the same time on all connections; more are RESOURCE_EXHAUSTED."""
    handshake_timeout_seconds: float = Field(default=10.0, gt=0)
    """Seconds until a connection has sent its settings."""
    idle_timeout_seconds: float = Field(default=300.0, gt=0)
    """Seconds that a connection may stay without a call."""
    stream_buffer: int = Field(default=1000, ge=1)
    """Maximum number of messages that wait for a slow subscriber, before its stream ends with
    RESOURCE_EXHAUSTED."""
    tls: ServerTlsSettings = ServerTlsSettings.defaults()
    """TLS."""
