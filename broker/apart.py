"""A connection of its own for messages that may end it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from dskity.broker.wire import ConnectRequest, WireFactory
from dskity.bus.base.tasks import contained
from dskity.bus.delivery import Delivery
from dskity.bus.errors import NotConnected
from dskity.bus.message import Message

PATIENCE = 10.0  # seconds for all of it; 200 messages on a cellular line take some round trips


async def publish_apart(
    opening: ConnectRequest, make_wire: WireFactory, messages: Sequence[Message]
) -> list[Exception | None]:
    """See `Transport.publish_apart`; `opening` is that of the connection that it is apart from."""
    wire = make_wire(opening.under(f"{opening.client_id}-apart"), _nothing_comes, None)
    try:
        async with asyncio.timeout(PATIENCE):
            await wire.open()
            outcomes = await asyncio.gather(
                *(contained(partial(wire.publish, message)) for message in messages),
                return_exceptions=True,
            )
    except TimeoutError as error:
        raise NotConnected(f"no answer within {PATIENCE:g} s") from error
    finally:
        await wire.close()
    return [_error(outcome) for outcome in outcomes]


def _error(outcome: object) -> Exception | None:
    if isinstance(outcome, Exception):
        return outcome
    if isinstance(outcome, BaseException):
        raise outcome
    return None


def _nothing_comes(delivery: Delivery) -> None:
    """It subscribes to nothing."""
