"""What the devices said they did and heard, kept to be looked through and waited for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dskity.bus.base.jsontext import parse_json
from dskity.bus.envelope import unwrap
from dskity.demo.finding import CheckFailed

LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """One line of the devices' process: `device` says that `event` happened at Unix time `at`."""

    device: str
    event: str
    at: float
    topic: str = ""
    payload: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: bytes) -> Sighting:
        """The sighting in a line."""
        return cls(**parse_json(line))

    def opened(self) -> tuple[bytes, Mapping[str, str]]:
        """Payload and headers, which on MQTT 3.1.1 lie in an envelope."""
        payload = self.payload.encode()
        found = unwrap(payload, self.at)
        return (payload, self.headers) if found is None else (found[0], found[1].headers)

    def json(self) -> Any:
        """The payload as JSON."""
        return parse_json(self.opened()[0])


class Sightings:
    """The first `LIMIT` of them."""

    def __init__(self) -> None:
        self._seen: list[Sighting] = []
        self._news = asyncio.Event()

    def add(self, sighting: Sighting) -> None:
        """One more."""
        if len(self._seen) < LIMIT:
            self._seen.append(sighting)
            self._news.set()

    def heard(self, device: str, topic: str) -> list[Sighting]:
        """What `device` has heard on `topic`, where a final `/` stands for all below."""
        return list(self._heard(device, topic, 0))

    async def wait(
        self,
        device: str,
        topic: str,
        wanted: Callable[[Sighting], object] = bool,
        *,
        count: int = 1,
        within: float = 10.0,
    ) -> list[Sighting]:
        """As `heard`, with only the wanted ones, as soon as there are `count`."""
        found: list[Sighting] = []
        looked = 0
        try:
            async with asyncio.timeout(within):
                while True:
                    new = self._heard(device, topic, looked)
                    looked = len(self._seen)
                    found += [seen for seen in new if wanted(seen)]
                    if len(found) >= count:
                        return found
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise CheckFailed(
                f"{device} heard {len(found)} of {count} on {topic} within {within:g} s"
            ) from error

    def _heard(self, device: str, topic: str, start: int) -> Iterator[Sighting]:
        for seen in itertools.islice(self._seen, start, None):
            if seen.device == device and seen.event == "heard" and _covers(topic, seen.topic):
                yield seen


def _covers(wanted: str, topic: str) -> bool:
    return topic.startswith(wanted) if wanted.endswith("/") else topic == wanted
