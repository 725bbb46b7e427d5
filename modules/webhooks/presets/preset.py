"""What a preset is, what it makes of a request, and the parts that several share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from dskity.bus.base.jsontext import NotJson, parse_json
from dskity.bus.errors import InvalidInput, InvalidPayload
from dskity.modules.providers.provision import extension_point
from dskity.modules.webhooks.options import WebhookOptions

NO_TYPE = "webhook"
"""The type of an event whose sender names none."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A verified delivery.

    `id` is the sender's, the same when it tries again, or None where it has none. `captures` fill
    the topic beside `source`, `id` and `type`. Where there is an `answer`, the sender only wanted
    that, and nothing is to be published.
    """

    id: str | None
    type: str
    captures: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, Any] | None = None


class Preset(Protocol):
    """One way to sign. `captures` are the names that it adds for topics."""

    captures: ClassVar[tuple[str, ...]]

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """The delivery, from lower-case `headers` and the raw body at `now` (Unix seconds).

        Raises `Unauthenticated`, without detail, where it is not the sender's, and `InvalidInput`
        where it is and lacks what the sender promises.
        """
        ...


@extension_point
class WebhookPreset(Protocol):
    """Makes a preset of the options of a source. A module provides one with
    `clients.provide(WebhookPreset, lambda: MyPreset, name="mine")`, for `preset: mine`."""

    def __call__(self, options: WebhookOptions) -> Preset:
        """The preset; `InvalidSettings`, beginning with the key, where the options do not fit."""
        ...


WebhookVerifier: TypeAlias = Preset
"""The public name of `Preset`."""
WebhookDelivery: TypeAlias = Delivered
"""The public name of `Delivered`."""


def required(headers: Mapping[str, str], name: str) -> str:
    """A header that every genuine delivery has; `InvalidInput` without it."""
    value = headers.get(name)
    if not value:
        raise InvalidInput(f"the delivery has no header {name!r}")
    return value


def json_object(body: bytes) -> Mapping[str, Any]:
    """The body as a JSON object; `InvalidPayload` where it is none."""
    try:
        value = parse_json(body)
    except NotJson as error:
        raise InvalidPayload(f"the delivery's body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidPayload("the delivery's body is not a JSON object")
    return value


def text_of(value: Mapping[str, Any], name: str) -> str:
    """A text member of the body; `InvalidPayload` without it."""
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise InvalidPayload(f"the delivery's body has no text member {name!r}")
    return text


def type_in(body: bytes) -> str:
    """The text member `type` of a body that may be anything; `NO_TYPE` without it."""
    try:
        return text_of(json_object(body), "type")
    except InvalidPayload:
        return NO_TYPE
