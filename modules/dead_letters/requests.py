"""Dead letters over the bus: requests to `{root}/dead-letters/list`, `show`, `replay` and `drop`.

Several runtimes on one broker each keep every dead letter, under the same id. One of them answers
a request; what is sent back or dropped there is forgotten everywhere, by a message to
`{root}/dead-letters/forget`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dskity.bus import topics
from dskity.bus.base.tasks import contained
from dskity.bus.bus import Bus
from dskity.bus.errors import DSkityError, NotFound, Unavailable
from dskity.modules.dead_letters.letter import DeadLetter
from dskity.modules.dead_letters.store import Choice, DeadLetterStore

TOPIC = "dead-letters"
_TOGETHER = 100  # letters read and published at once
_MOST_IDS = 10_000
_SHOWN = 3  # ids in an error

TopicFilter = Annotated[str, AfterValidator(lambda text: topics.parse(text).filter)]
Ids = Annotated[list[str], Field(min_length=1, max_length=_MOST_IDS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Filter(_Request):
    """Those whose original topic matches `topic`, an MQTT filter, and that `handler` gave up: a
    handler, or a module for all of its own. What is left out is any."""

    topic: TopicFilter | None = None
    handler: str | None = None

    def choice(self) -> Choice:
        """The same, for the store."""
        return Choice(self.topic, self.handler)


class List(Filter):
    """→ `{"dead_letters", "next", "total"}`, oldest first; `next` is the `after` of the next page,
    or null, and `total` is how many match in all."""

    limit: int = Field(default=50, ge=1, le=1000)
    after: str = ""


class Show(_Request):
    """`{"id"}` → the entry of the list with `headers`, and `payload` or `payload_base64`."""

    id: str


class Selection(_Request):
    """Either `ids`, or all that match `filter`; `{"filter": {}}` is every one."""

    ids: Ids | None = None
    filter: Filter | None = None

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError('write either "ids" or "filter"; {"filter": {}} is every dead letter')
        return self


class Forget(_Request):
    """`{"ids"}`: they are gone elsewhere; nothing is answered."""

    ids: list[str]


class DeadLetterRequests:
    """Answers for one store."""

    def __init__(self, store: DeadLetterStore, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    async def list(self, request: List) -> dict[str, Any]:
        """See `List`."""
        entries, total = await self._store.page(request.choice(), request.limit + 1, request.after)
        shown = entries[: request.limit]
        following = shown[-1].id if len(entries) > len(shown) else None
        return {"dead_letters": shown, "next": following, "total": total}

    async def show(self, request: Show) -> dict[str, Any]:
        """See `Show`."""
        for letter in await self._store.get([request.id]):
            return {**asdict(letter.entry()), "headers": dict(letter.headers), **_payload(letter)}
        raise NotFound(f"no dead letter {request.id!r}")

    async def replay(self, selection: Selection) -> dict[str, Any]:
        """Publish them again, in order → `{"replayed", "failed"}`.

        `failed` has an `id` and a `detail` for each that was refused; those stay. While the broker
        is away and the outbox takes no more, the rest is not tried.
        """
        replayed, failed = 0, []
        for ids in _chunks(await self._chosen(selection)):
            letters = await self._store.get(ids)
            errors = await asyncio.gather(
                *(contained(partial(self._publish, letter)) for letter in letters)
            )
            outcomes = list(zip(letters, errors, strict=True))
            replayed += await self._forget_everywhere([x.id for x, error in outcomes if not error])
            failed += [{"id": x.id, "detail": str(error)} for x, error in outcomes if error]
            if any(isinstance(error, Unavailable) for error in errors):
                break
        return {"replayed": replayed, "failed": failed}

    async def drop(self, selection: Selection) -> dict[str, Any]:
        """Delete them → `{"dropped"}`, their number."""
        ids = await self._chosen(selection)
        return {"dropped": sum([await self._forget_everywhere(chunk) for chunk in _chunks(ids)])}

    async def forget(self, request: Forget) -> None:
        """See `Forget`."""
        await self._store.remove(request.ids)

    async def _chosen(self, selection: Selection) -> Sequence[str]:
        """Fixed before the first is replayed: one that fails again comes back as a new letter."""
        if selection.filter is not None:
            return await self._store.ids(selection.filter.choice())
        asked = dict.fromkeys(selection.ids or ())
        found = await self._store.known(list(asked))
        missing = [id for id in asked if id not in set(found)]
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise NotFound(f"no dead letter {', '.join(map(repr, missing[:_SHOWN]))}{more}")
        return found

    async def _publish(self, letter: DeadLetter) -> DSkityError | None:
        """Return when the message is safe, or why it is not."""
        try:
            topics.check_topic(letter.topic)
            await self._bus.connection(letter.connection).send(letter.again())
        except DSkityError as error:
            return error
        return None

    async def _forget_everywhere(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        await self._bus.publish(f"{self._bus.root}/{TOPIC}/forget", {"ids": ids})
        await self._store.remove(ids)
        return len(ids)


def _payload(letter: DeadLetter) -> dict[str, str]:
    try:
        return {"payload": letter.payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(letter.payload).decode()}


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _TOGETHER] for start in range(0, len(ids), _TOGETHER))
