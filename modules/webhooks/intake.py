"""A delivery's way in: verified, recognised if it came before, published, then remembered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dskity.bus.base.clock import Clock
from dskity.bus.bus import Bus
from dskity.bus.store.dedup_store import DedupStore
from dskity.modules.access.doors import publish_now
from dskity.modules.webhooks.presets import Delivered
from dskity.modules.webhooks.source import Source


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery; `accepted` as in `Receipt`, None where nothing was published."""

    id: str
    topic: str | None = None
    accepted: str | None = None
    duplicate: bool = False
    answer: Mapping[str, Any] | None = None


class Intake:
    """Takes deliveries of all sources.

    A delivery is recorded once it is safe. Killed in between, the process leaves a sender that had
    no answer to try again, and the message is there twice; the other order would lose it.
    """

    def __init__(self, bus: Bus, seen: DedupStore, clock: Clock) -> None:
        self._bus = bus
        self._seen = seen
        self._clock = clock

    async def take(
        self, source: Source, headers: Mapping[str, str], body: bytes, request_id: str | None
    ) -> Outcome:
        """Returns once the message is safe; raises what stood in the way, and forgets it then."""
        delivered = source.preset.verify(headers, body, self._clock.time())
        if delivered.answer is not None:
            return Outcome(uuid.uuid4().hex, answer=delivered.answer)
        if delivered.id is None or source.dedupe_window <= 0:
            id = delivered.id or uuid.uuid4().hex
            return await self._publish(source, delivered, id, headers, body, request_id)
        # Senders that lose patience try again while the first try is still under way.
        async with self._seen.turn(source.name, delivered.id):
            if await self._seen.has(source.name, delivered.id, source.dedupe_window):
                return Outcome(delivered.id, duplicate=True)
            outcome = await self._publish(
                source, delivered, delivered.id, headers, body, request_id
            )
            self._seen.note(source.name, delivered.id)
            return outcome

    async def _publish(
        self,
        source: Source,
        delivered: Delivered,
        id: str,
        headers: Mapping[str, str],
        body: bytes,
        request_id: str | None,
    ) -> Outcome:
        receipt = await publish_now(
            self._bus,
            source.topic_of(delivered, id),
            body,
            headers=source.headers_of(delivered, id),
            content_type=headers.get("content-type"),
            request_id=request_id,
        )
        return Outcome(id, receipt.topic, receipt.accepted)
