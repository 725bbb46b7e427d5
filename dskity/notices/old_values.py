"""Values of settings that an older version had: each is accepted, with a line of advice."""

from __future__ import annotations

from collections.abc import Iterator

from dskity.config import DSkitySettings


def old_values(settings: DSkitySettings) -> Iterator[str]:
    """A line for each."""
    sections = {"common.mqtt": settings.common.mqtt} | {
        f"mqtt.{name}": mqtt for name, mqtt in settings.mqtt.items()
    }
    for name, section in sections.items():
        if section.client == "mqttium":
            yield f"{name}.client: mqttium is not used any more, aiomqtt is; write auto"
