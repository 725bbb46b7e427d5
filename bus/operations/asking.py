"""A request: published, and its reply awaited."""

from __future__ import annotations

from dataclasses import replace

from dskity.bus.base.clock import Clock
from dskity.bus.errors import NoResponder, RequestTimeout
from dskity.bus.inbound.inbound import Inbound
from dskity.bus.inbound.own_requests import OwnRequest
from dskity.bus.message import Message
from dskity.bus.outbound import Outbound
from dskity.bus.requests.replies import Replies, check_reply

_SHORTEST = 0.001  # seconds: MQTT takes no expiry of 0


class Asking:
    """The requests of one connection."""

    def __init__(
        self, replies: Replies, sending: Outbound, receiving: Inbound, clock: Clock
    ) -> None:
        self._replies = replies
        self._outbound = sending
        self._inbound = receiving
        self._clock = clock

    async def ask(self, message: Message, timeout: float) -> Message:
        """The reply to `message`, which gets a reply address and the time that is left as its
        expiry. Raises as `Bus.request` does."""
        pending = self._replies.expect()
        own: OwnRequest | None = None
        deadline = self._clock.monotonic() + timeout
        try:
            async with self._clock.timeout(timeout):
                await self._outbound.wait_for_broker(max(message.qos, 1))
                request = replace(
                    message,
                    reply_to=pending.reply_to,
                    correlation=pending.correlation,
                    expires_in=max(deadline - self._clock.monotonic(), _SHORTEST),
                )
                own = self._inbound.own.begin(request)
                if await self._outbound.now(request) is False:
                    raise NoResponder(f"no client is subscribed to {message.topic!r}")
                if own is not None and not self._inbound.hold.starting:
                    own.sent(full=self._inbound.hold.holding)
                return check_reply(await pending.reply)
        except TimeoutError as error:
            raise RequestTimeout(_no_reply(message.topic, timeout, own)) from error
        finally:
            self._replies.forget(pending)
            if own is not None:
                own.end()


def _no_reply(topic: str, timeout: float, own: OwnRequest | None) -> str:
    text = f"no reply on {topic!r} within {timeout:g} s"
    if own is None or not own.handlers:
        return text
    return (
        f"{text}; the handler of {own.handlers[0]!r} in this process has it: if the caller is "
        "that handler with the same order key, or uses the last slot of its concurrency, each "
        "waits for the other"
    )
