"""Dead letters: from the failure of a handler to the replay."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from dskity.bus.message import Message
from tests.contract.box import box
from tests.contract.house import House
from tests.dead_letters.post import ONCE, dead_letters
from tests.waiting import until

PAYLOADS = (b'{"t" : 1.0}', b'{"specversion":"1.0"}', b"\xff")


async def test_a_message_fails_twice_and_then_succeeds(house: House, tmp_path: Path) -> None:
    """Byte for byte, with its replays counted; on 3.1.1 the headers go along in an envelope."""
    attempts: defaultdict[str, list[Message]] = defaultdict(list)

    async def sell(message: Message) -> None:
        attempts[message.topic].append(message)
        if len(attempts[message.topic]) < 3:
            raise RuntimeError("no paper")

    async with box(house, tmp_path) as one:
        await one.ready()
        async with dead_letters(one.bus) as post:
            await one.bus.subscribe("shop/{till}/sale", sell, retry=ONCE)
            sent = {f"shop/{till}/sale": payload for till, payload in enumerate(PAYLOADS)}
            for topic, payload in sent.items():
                await one.bus.publish(topic, payload)
            for replays in (0, 1):
                await post.added(len(sent) * (replays + 1))
                letters = await post.letters(len(sent))
                assert {letter["topic"] for letter in letters} == set(sent)
                assert {letter["replays"] for letter in letters} == {replays}
                ids = [letter["id"] for letter in letters]
                assert await post.ask("replay", ids=ids) == {"replayed": len(sent), "failed": []}
            await until(lambda: all(len(attempts[topic]) == 3 for topic in sent), "the last ones")
            assert await post.letters(0) == []
    for topic, messages in attempts.items():
        assert [message.payload for message in messages] == [sent[topic]] * 3
        counts = [message.headers.get("dskity-replays") for message in messages]
        assert counts == [None, "1", "2"]
