"""`broker`: the MQTT broker that comes with the runtime."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from dskity.broker.engines.listen import Listen
from dskity.config.sections.section import Section


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{text!r}: write scheme, host and port alone, as in http://box:8000")
    return text


class BrokerSettings(Section):
    """The bundled broker; not used if `common.mqtt.url` is set."""

    engine: Literal["auto", "mosquitto", "builtin", "amqtt", "rumqttd", "none"] = "auto"
    """Broker; auto: none with `common.mqtt.url`, else mosquitto if installed, else builtin."""
    host: str = "127.0.0.1"
    """Address to listen on; an address other than loopback requires `users_file`."""
    port: int = Field(default=1883, ge=0, le=65_535)
    """TCP port; 0 takes a free one."""
    websocket_port: int | None = Field(default=None, ge=0, le=65_535)
    """Port for MQTT over WebSocket; null: none. With mosquitto it requires `users_file`."""
    websocket_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Origins of the web pages that may connect, as in `http://box:8000`; builtin."""
    users_file: Path | None = None
    """File of users and password hashes, in the format of mosquitto_passwd."""
    user: str | None = Field(default=None, min_length=1)
    """The user that runs mosquitto if root starts it; null: `mosquitto`, or else `nobody`."""

    @model_validator(mode="after")
    def _open_only_with_users(self) -> Self:
        if self.engine != "none":
            Listen(self.host, self.port, self.websocket_port, self.users_file)
        return self

    @model_validator(mode="after")
    def _origins_only_with_a_port(self) -> Self:
        if self.websocket_origins and self.websocket_port is None:
            raise ValueError(
                "websocket_origins has no effect without websocket_port: set it, or leave this out"
            )
        return self
