"""`common`: what every part shares, the addresses, the registry's timing, the way to the broker."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from dskity.broker.url import parse_url
from dskity.config.sections.section import Section
from dskity.config.sections.urls import HttpUrl, MqttUrls


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _speaks_tls(url: str) -> bool:
    return parse_url(url).tls


class TlsSettings(Section):
    """TLS for the connection to the broker, with `mqtts://` and `wss://`."""

    ca_file: Path | None = None
    """PEM file of the trusted authorities; null: those of the system."""
    cert_file: Path | None = None
    """PEM file of the client certificate."""
    key_file: Path | None = None
    """PEM file of the private key, if it is not in `cert_file`."""
    insecure: bool = False
    """Accept any certificate of any host; for tests only."""

    @model_validator(mode="after")
    def _key_of_something(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file beside it")
        return self


class MqttSettings(Section):
    """The connection to the broker."""

    url: MqttUrls | None = None
    """The broker (mqtt, mqtts, ws or wss), or several to try in order, such as the nodes of a
    cluster; null means the broker of `broker.*`."""
    client: Literal["auto", "aiomqtt", "mqttium"] = "auto"
    """The client library; auto: aiomqtt. `mqttium`, which older versions had, gives a warning and
    means auto."""
    client_id: str | None = Field(default=None, min_length=1, max_length=65_000)
    """MQTT client identifier; null: a generated one, which is kept in `state_dir`."""
    username: str | None = None
    """User name for the broker."""
    password: SecretStr | None = None
    """Password for the broker."""
    keepalive: int = Field(default=30, ge=1, le=65_535)
    """MQTT keep-alive interval in seconds. If a publish is unacknowledged for twice as
    long, the runtime reconnects and sends the message again."""
    session_expiry_seconds: int = Field(default=86_400, ge=0, le=4_294_967_295)
    """Seconds for which the broker keeps the session and its messages after a disconnect."""
    protocol: Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_text)] = "auto"
    """MQTT version; auto: 5, or 3.1.1 if the broker does not support 5."""
    connect_timeout: float = Field(default=5, gt=0)
    """Seconds until an attempt to connect fails and the next one begins."""
    max_in_flight: int = Field(default=1000, ge=1, le=65_535)
    """Maximum number of unacknowledged publishes with QoS ≥ 1; further ones wait."""
    tls: TlsSettings = TlsSettings.defaults()
    """TLS towards the broker."""

    @model_validator(mode="after")
    def _tls_where_it_is_spoken(self) -> Self:
        if self.tls != TlsSettings.defaults() and not any(map(_speaks_tls, self.url or ())):
            raise ValueError("tls is for a url of mqtts:// or wss://: write one, or leave tls out")
        return self


class RegistrySettings(Section):
    """Timing of the service registry."""

    enabled: bool = True
    """Announce the enabled modules and follow other services."""
    heartbeat_interval_seconds: float = Field(default=30, gt=0)
    """Seconds between heartbeats."""
    ttl_seconds: float = Field(default=60, gt=0)
    """Seconds without a heartbeat until an instance expires."""

    @model_validator(mode="after")
    def _heartbeat_within_ttl(self) -> Self:
        if self.heartbeat_interval_seconds >= self.ttl_seconds:
            raise ValueError(
                f"heartbeat_interval_seconds ({self.heartbeat_interval_seconds:g}) must be below "
                f"ttl_seconds ({self.ttl_seconds:g}), best at half of it or less"
            )
        return self


class CommonSettings(Section):
    """Settings for all components."""

    advertise_url: HttpUrl = "http://127.0.0.1:8000"
    """URL of this service for others; by default from `advertise_url` or `port`."""
    internal_base_url: HttpUrl = "http://127.0.0.1:8000"
    """URL of this service for itself; by default from `host` and `port`."""
    registry: RegistrySettings = RegistrySettings.defaults()
    """The service registry."""
    mqtt: MqttSettings = MqttSettings.defaults()
    """The connection to the broker."""
