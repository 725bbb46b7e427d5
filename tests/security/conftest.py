"""Rules for tests that start a whole runtime."""

from __future__ import annotations

import pytest
from blockbuster import BlockBuster


@pytest.fixture
def watched_loop(watched_loop: BlockBuster) -> BlockBuster:
    """As everywhere, but that a start reads files and imports modules: nothing is served yet."""
    for function in watched_loop.functions.values():
        function.can_block_in("dskity/bootstrap.py", {"start"})
        function.can_block_in("security/test_state_dir.py", {STARTS_ITSELF})
    return watched_loop


STARTS_ITSELF = "test_a_runtime_makes_a_folder_and_files_for_its_user_alone"
