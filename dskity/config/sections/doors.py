"""`http` and `grpc`: the doors."""

from pathlib import Path
from typing import Self

from pydantic import ByteSize, Field, model_validator

from dskity.config.sections.section import MIB, Section


class ServerTlsSettings(Section):
    """TLS of a door; without both files it speaks plain text."""

    cert_file: Path | None = None
    """PEM file of the server's certificate chain."""
    key_file: Path | None = None
    """PEM file of the certificate's private key."""
    client_ca_file: Path | None = None
    """PEM file of the authorities whose client certificates are demanded; null demands none."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or neither")
        if self.client_ca_file is not None and self.cert_file is None:
            raise ValueError("client_ca_file needs cert_file and key_file")
        return self


class CorsSettings(Section):
    """Which web pages of other origins may call the HTTP door."""

    allow_origins: tuple[str, ...] = ()
    """Origins, such as https://panel.example; none by default."""
    allow_methods: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")
    """HTTP methods."""
    allow_headers: tuple[str, ...] = ("Authorization", "Content-Type", "X-Request-Id")
    """Request headers."""
    allow_credentials: bool = False
    """Let cookies and HTTP authentication through; needs origins by name."""

    @model_validator(mode="after")
    def _no_credentials_for_all(self) -> Self:
        if self.allow_credentials and "*" in self.allow_origins:
            raise ValueError("allow_credentials needs origins by name: replace * in allow_origins")
        return self


class HttpSettings(Section):
    """The HTTP door; it listens on `host` and `port`."""

    enabled: bool = True
    """Open the door."""
    max_body_bytes: ByteSize = Field(default=ByteSize(MIB), ge=1)
    """Bytes of a request body at most; more is answered with 413."""
    max_header_bytes: ByteSize = Field(default=ByteSize(64 * 1024), ge=1024)
    """Bytes of a request's head at most."""
    max_connections: int = Field(default=1000, ge=1)
    """Connections at the same time at most; more are answered with 503."""
    max_streams: int = Field(default=100, ge=1)
    """Event streams open at the same time at most; more are answered with 503."""
    cors: CorsSettings = CorsSettings.defaults()
    """Calls by web pages of other origins."""
    tls: ServerTlsSettings = ServerTlsSettings.defaults()
    """TLS."""


class GrpcSettings(Section):
    """The gRPC door."""

    enabled: bool = True
    """Open the door."""
    host: str = "0.0.0.0"  # noqa: S104  # the door is guarded; `host` of HTTP is the same
    """Address to listen on."""
    port: int = Field(default=50_051, ge=0, le=65_535)
    """TCP port; 0 takes a free one."""
    max_message_bytes: ByteSize = Field(default=ByteSize(4 * MIB), ge=1024)
    """Bytes of a request at most."""
    max_streams: int = Field(default=1000, ge=1)
    """Calls at the same time on one connection at most."""
    stream_buffer: int = Field(default=1000, ge=1)
    """Messages waiting for a slow subscriber at most, before its stream is RESOURCE_EXHAUSTED."""
    tls: ServerTlsSettings = ServerTlsSettings.defaults()
    """TLS."""
