"""A Redis for all tests of the store, and a key prefix for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.servers import HOST, ServerProcess, redis_server

_prefixes = itertools.count()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[ServerProcess]:
    """One Redis; each test has its own prefix in it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(shared_redis: ServerProcess) -> str:
    """Where it is."""
    return f"redis://{HOST}:{shared_redis.port}/0"


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test has; `*` and `[` must mean themselves."""
    return f"test[*]{next(_prefixes)}"
