"""The service itself, which knows nothing of the bus: circles on the map."""

from __future__ import annotations

import math

from pydantic import BaseModel

METRES_A_DEGREE = 111_320.0  # of latitude; of longitude at the equator


class Area(BaseModel):
    """A circle: its centre in degrees, its radius in metres."""

    name: str
    latitude: float
    longitude: float
    radius: float


class Geofences:
    """Says in which areas a position is."""

    def __init__(self, areas: list[Area]) -> None:
        self.areas = areas

    def at(self, latitude: float, longitude: float) -> list[str]:
        """The names of the areas that a position in degrees is in."""
        return [
            area.name for area in self.areas if _distance(area, latitude, longitude) <= area.radius
        ]


def _distance(area: Area, latitude: float, longitude: float) -> float:
    """In metres; exact enough for areas of a few kilometres."""
    north = latitude - area.latitude
    east = (longitude - area.longitude) * math.cos(math.radians(area.latitude))
    return math.hypot(north, east) * METRES_A_DEGREE
