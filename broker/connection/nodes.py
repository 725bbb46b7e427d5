"""At which of several brokers a transport is: the nodes of a cluster, or a stand-in for another.

The lanes of one transport share it, so that both end at the same node where they can. Two brokers
that know nothing of each other would else take what we publish to the one, and our subscriptions at
the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from dskity.broker.settings import ConnectionSettings


class Nodes:
    """What `common.mqtt.url` lists. `current` is where a lane came up last."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._all = settings.nodes
        self.current = self._all[0]

    def round(self) -> Iterator[ConnectionSettings]:
        """Each once: the current one, then those behind it in the list, then those before it."""
        at = self._all.index(self.current)
        return iter((*self._all[at:], *self._all[:at]))

    def pass_over(self, node: ConnectionSettings) -> None:
        """Begin the next round behind this one, if the last began with it."""
        if node is self.current:
            self.current = self._all[(self._all.index(node) + 1) % len(self._all)]

    @property
    def several(self) -> bool:
        """Whether there is another one to try."""
        return len(self._all) > 1
