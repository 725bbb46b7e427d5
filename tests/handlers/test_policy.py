"""What a policy of a route and of its retries refuses."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.bus.errors import InvalidHandler
from dskity.bus.message import Message
from dskity.handlers import RetryPolicy
from tests.house_bus import memory_house


@pytest.mark.parametrize(
    ("policy", "hint"),
    [
        ({"retries": 3}, "did you mean 'retry'"),
        ({"qos": 3}, "0, 1 or 2"),
        ({"retry": {"attempts": 1}}, "RetryPolicy(attempts=…)"),
        ({"timeout": 0}, "above 0"),
        ({"concurrency": 0}, "at least 1"),
        ({"order_by": "devise"}, "'device'"),
        ({"on_invalid": "explode"}, "'dead_letter', 'drop' or 'raise'"),
    ],
)
async def test_a_wrong_policy_is_refused_with_the_mend(policy: dict[str, Any], hint: str) -> None:
    async def handler(message: Message, device: str) -> None: ...

    async with memory_house() as house:
        with pytest.raises(InvalidHandler) as caught:
            await house.bus.subscribe("d/{device}", handler, **policy)
        assert hint in str(caught.value)
        assert house.bus.subscriptions == ()


def test_a_retry_policy_checks_itself_and_its_delays_grow_to_the_bound() -> None:
    with pytest.raises(InvalidHandler, match="attempts"):
        RetryPolicy(attempts=0)
    policy = RetryPolicy(jitter=False)
    assert [policy.delay(n) for n in (1, 2, 3, 9)] == [0.1, 0.2, 0.4, 5.0]
    jittered = [RetryPolicy().delay(1) for _ in range(100)]
    assert all(0.05 <= delay <= 0.1 for delay in jittered)
