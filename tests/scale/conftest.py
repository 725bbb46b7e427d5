"""Rules for tests that start a whole runtime, and the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.scale.nats import nats_cluster
from tests.servers import ServerProcess


@pytest.fixture
def watched_loop(watched_loop: BlockBuster) -> BlockBuster:
    """As everywhere, but that a start reads files and imports modules: nothing is served yet."""
    for function in watched_loop.functions.values():
        function.can_block_in("dskity/bootstrap.py", {"start"})
    return watched_loop


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Three nodes."""
    with nats_cluster(tmp_path / "nats") as nodes:
        yield nodes
