"""What `tests/conftest.py` says that it watches, it finds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest


@pytest.mark.parametrize("call", ["call_soon", "call_later"])
async def test_a_loop_that_another_thread_calls_raises_there(call: str) -> None:
    """Without asyncio's debug mode; `call_soon_threadsafe` is for that."""
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    calls: dict[str, Callable[..., Any]] = {
        "call_soon": loop.call_soon,
        "call_later": partial(loop.call_later, 0),
    }
    wrong = calls[call]
    with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
        await asyncio.to_thread(wrong, heard.set)
    await asyncio.to_thread(loop.call_soon_threadsafe, heard.set)
    await heard.wait()
    wrong(heard.clear)
