"""Errors: one tree, whose branches say what the caller can do."""

import asyncio

from dskity import (
    DSkityError,
    InvalidTopic,
    NoResponder,
    RequestTimeout,
    Unavailable,
    load_settings,
)
from dskity.testing import ScriptedBroker, memory_bus


async def main() -> None:
    """Cause some."""
    assert load_settings().name
    async with memory_bus(ScriptedBroker().transport("example")) as bus:
        try:
            await bus.publish("devices/+/telemetry", b"")
        except InvalidTopic as error:  # an InvalidInput: change the call
            assert "wildcard" in str(error)
        try:
            await bus.request("unknown/service", timeout=0.1)
        except NoResponder:  # a NotFound: the broker says that there is no subscriber
            pass
        except RequestTimeout:  # a TimeoutError: the request may have been handled
            pass
        except Unavailable as error:  # the same call may pass later
            await asyncio.sleep(error.retry_after)
        except DSkityError:  # everything else that DSkity raises
            raise


if __name__ == "__main__":
    asyncio.run(main())
