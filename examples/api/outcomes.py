"""The outcomes of a message: handled, dropped, rejected, tried again, recognised as a duplicate."""

import asyncio

from pydantic import BaseModel

from dskity import Dedupe, Drop, Message, Reject, Retry, RetryPolicy
from dskity.testing import ScriptedBroker, memory_bus


class Order(BaseModel):
    """One order; publishers may send it twice."""

    id: str
    amount: int


handled: list[str] = []
attempts: list[str] = []


async def order(order: Order) -> None:
    """Called once for each order id within an hour."""
    attempts.append(order.id)
    if order.amount == 0:
        raise Drop("an empty order")  # acknowledged and forgotten
    if order.amount < 0:
        raise Reject("a negative amount")  # to the dead letter, without another attempt
    if attempts.count(order.id) == 1:
        raise Retry(after=0.01)  # seconds; counts as an attempt
    handled.append(order.id)


async def main() -> None:
    """Send one of each."""
    async with memory_bus(ScriptedBroker().transport("example")) as bus:
        retry = RetryPolicy(attempts=3, backoff=0.1)
        await bus.subscribe("orders", order, retry=retry, dedupe=Dedupe("id", window=3600))
        async with bus.stream("dskity/dead-letter/#") as letters:
            for amount in (0, 5, 5, -1):
                await bus.publish("orders", Order(id=f"order {amount}", amount=amount))
            letter: Message = await anext(letters)
            assert letter.headers["dskity-error"] == "Reject: a negative amount"


if __name__ == "__main__":
    asyncio.run(main())
    assert handled == ["order 5"]
