"""A service of one's own: areas on the map, and which of them a position is in."""
