from __future__ import annotations

from dskity.bus.store.bloom import BloomFilter


def test_it_knows_all_that_was_added_and_little_else() -> None:
    """10,000 keys in, 10,000 others asked for: one of those is expected to seem known."""
    known = BloomFilter()
    for number in range(10_000):
        known.add(("scope", str(number)))
    assert all(("scope", str(number)) in known for number in range(10_000))
    assert sum(("other", str(number)) in known for number in range(10_000)) < 50
