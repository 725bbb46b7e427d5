"""What every consumer gets: 200 topics, a JSON payload of about 100 bytes, and its model."""

from __future__ import annotations

import json

from pydantic import BaseModel

TOPICS = tuple(f"bench/sensor-{number:03}/telemetry" for number in range(200))
FILTER = "bench/+/telemetry"


class Reading(BaseModel):
    """What a sensor tells."""

    device: str
    temperature: float
    humidity: float
    battery: int
    at: float
    ok: bool


def payload(number: int) -> bytes:
    """The JSON text of one sensor's reading."""
    reading = {
        "device": f"sensor-{number:03}",
        "temperature": 20 + number / 64,
        "humidity": 48.25,
        "battery": 50 + number % 50,
        "at": 1_700_000_000.125 + number,
        "ok": True,
    }
    return json.dumps(reading, separators=(",", ":")).encode()
