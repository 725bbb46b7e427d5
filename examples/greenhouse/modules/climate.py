"""Readings in: checked, kept for each zone, and published as the zone's retained state."""

from __future__ import annotations

from pydantic import BaseModel, Field

from dskity import Bus, Module, ModuleConfig, ModuleMeta, NotFound, Reject, TransportClients, on


class Reading(BaseModel):
    """What a sensor sends; `at` is Unix seconds. Anything else goes to the dead letter."""

    celsius: float = Field(ge=-40, le=80)
    humidity: float = Field(ge=0, le=100)
    sequence: int = Field(ge=1)
    at: float


class Settings(BaseModel):
    """`modules.climate.additional_settings`."""

    zones: list[str] = ["north", "south"]


class Climate(Module[Settings]):
    """Handles telemetry, answers requests, and adds an HTTP route."""

    meta = ModuleMeta(name="climate", base_path="/climate")

    def register(self, clients: TransportClients, config: ModuleConfig[Settings]) -> None:
        """Add `GET /climate`."""
        self.settings = config.settings
        self.zones: dict[str, Reading] = {}
        clients.http.add_api_route(self.meta.base_path, self.climate)

    async def climate(self) -> dict[str, Reading]:
        """The last reading of each zone."""
        return self.zones

    @on("greenhouse/{zone}/telemetry", order_by="zone")
    async def telemetry(self, reading: Reading, zone: str, bus: Bus) -> None:
        """Is acknowledged only when the state is safe with the broker."""
        if zone not in self.settings.zones:
            raise Reject(f"no zone {zone!r}: modules.climate.additional_settings.zones has them")
        self.zones[zone] = reading
        await bus.publish(f"greenhouse/{zone}/state", reading, retain=True)

    @on("greenhouse/{zone}/report")
    async def report(self, zone: str) -> Reading:
        """What a handler returns answers whoever asked."""
        if zone not in self.zones:
            raise NotFound(f"no reading from zone {zone!r} yet")
        return self.zones[zone]
