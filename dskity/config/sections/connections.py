"""`mqtt.<name>`: brokers beside that of `common.mqtt`."""

import re
from typing import Annotated

from pydantic import AfterValidator

from dskity.broker.connection.identity import CONTROL_SUFFIX
from dskity.config.sections.common import MqttSettings
from dskity.config.sections.urls import MqttUrls

DEFAULT = "default"
"""What the connection of `common.mqtt` is called where a name is needed."""


class NamedMqttSettings(MqttSettings):
    """An additional broker, which routes, publishes and bridges select by its name.

    Where `client_id` is null, it is that of `common.mqtt` with `-<name>` behind it.
    """

    url: MqttUrls
    """The broker (mqtt, mqtts, ws or wss), or several to try in order."""


def _connection_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("a connection's name is letters, digits, '-' and '_', as in cloud-eu")
    if name == DEFAULT:
        raise ValueError("the default connection is that of common.mqtt: choose another name")
    if f"-{name}".endswith(CONTROL_SUFFIX):
        raise ValueError("client ids with this ending are our second connections': choose another")
    return name


ConnectionName = Annotated[str, AfterValidator(_connection_name)]
