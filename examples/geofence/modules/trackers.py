"""A module that uses the service: it tells when a tracker enters or leaves an area."""

from __future__ import annotations

from pydantic import BaseModel

from dskity import Bus, Module, ModuleMeta, on

from .geofences.areas import Geofences


class Position(BaseModel):
    """Degrees."""

    latitude: float
    longitude: float


class Trackers(Module):
    """Keeps the areas that each tracker is in."""

    meta = ModuleMeta("trackers", depends_on=("geofences",))

    def __init__(self) -> None:
        self.inside: dict[str, set[str]] = {}

    @on("trackers/{tracker}/position", order_by="tracker")
    async def moved(self, position: Position, tracker: str, geofences: Geofences, bus: Bus) -> None:
        """Publish `trackers/{tracker}/entered` and `/left`, with the name of the area."""
        before = self.inside.get(tracker, set())
        now = set(geofences.at(position.latitude, position.longitude))
        self.inside[tracker] = now
        for area in sorted(now - before):
            await bus.publish(f"trackers/{tracker}/entered", area)
        for area in sorted(before - now):
            await bus.publish(f"trackers/{tracker}/left", area)
