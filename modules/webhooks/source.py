"""One source of webhooks: its preset and its topic, made of its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dskity.bus.errors import InvalidSettings, InvalidTopic
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets import PRESETS, Delivered, Preset, WebhookPreset
from dskity.modules.webhooks.template import TopicTemplate

COMMON_CAPTURES = ("source", "id", "type")


@dataclass(frozen=True, slots=True)
class Source:
    """What stands at `/webhooks/{name}`."""

    name: str
    preset: Preset
    topic: TopicTemplate
    dedupe_window: float
    max_body_bytes: int

    @classmethod
    def of(cls, name: str, options: WebhookOptions, provided: WebhookPreset | None = None) -> Self:
        """The source, with one of our presets or the `provided` one; `InvalidSettings` names the
        key that is wrong."""
        try:
            preset = _preset(options) if provided is None else provided(options)
            template = TopicTemplate.parse(options.topic, (*COMMON_CAPTURES, *preset.captures))
        except InvalidTopic as error:
            raise InvalidSettings(f"webhooks.{name}.topic: {error}") from error
        except InvalidSettings as error:
            raise InvalidSettings(f"webhooks.{name}.{error}") from error
        return cls(name, preset, template, options.dedupe_window_seconds, options.max_body_bytes)

    def topic_of(self, delivered: Delivered, id: str) -> str:
        """The topic of a delivery."""
        common = {"source": self.name, "id": id, "type": delivered.type}
        return self.topic.fill({**delivered.captures, **common})

    def headers_of(self, delivered: Delivered, id: str) -> Mapping[str, str]:
        """The delivery's CloudEvents attributes (1.0.2) as message headers."""
        return {
            "ce-specversion": "1.0",
            "ce-id": id,
            "ce-type": delivered.type,
            "ce-source": f"/webhooks/{self.name}",
        }


def _preset(options: WebhookOptions) -> Preset:
    make = PRESETS.get(options.preset)
    if make is None:
        known = ", ".join(PRESETS)
        raise InvalidSettings(f"preset: {options.preset!r} is unknown; there are {known}")
    return make(options)
