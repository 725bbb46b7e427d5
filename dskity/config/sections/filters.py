"""A list of MQTT filters, as a setting."""

from typing import Annotated

from pydantic import AfterValidator

from dskity.bus.topics import parse


def _filters(filters: tuple[str, ...]) -> tuple[str, ...]:
    for text in filters:
        if parse(text).names:
            raise ValueError(f"filter {text!r}: write + or # instead of a capture")
    return filters


Filters = Annotated[tuple[str, ...], AfterValidator(_filters)]
