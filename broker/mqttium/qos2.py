"""QoS 2 messages on their way in, carried from one mqttium client to the next.

Every connection has a client of its own. What it holds of QoS 1 is left behind, for the broker
sends that again; a QoS 2 message whose PUBREC has left it never sends again, so those go into the
next client's store, which hands them over as duplicates once the session is resumed. In another
process they are gone: at-least-once across a crash is QoS 1's promise, not QoS 2's.
"""

from __future__ import annotations

from mqttium.enums import QoS
from mqttium.persistence.memory import MemoryInflightStore


def successor(before: MemoryInflightStore | None) -> MemoryInflightStore:
    """A store that begins with the QoS 2 exchanges which are not completed in `before`."""
    store = MemoryInflightStore()
    if before is not None:
        for page in before.in_replay_pages():
            for message in page:
                if message.qos is QoS.EXACTLY_ONCE:
                    store.put_in(message)
    return store
