"""The module: one line provides the service to the handlers of all modules."""

from __future__ import annotations

from pydantic import BaseModel

from dskity import Module, ModuleConfig, ModuleMeta, TransportClients

from .areas import Area, Geofences


class Settings(BaseModel):
    """`modules.geofences.additional_settings`."""

    areas: list[Area] = [Area(name="depot", latitude=52.52, longitude=13.405, radius=500)]


class GeofencesModule(Module[Settings]):
    """Provides `Geofences`; readiness fails while there are no areas."""

    meta = ModuleMeta("geofences")

    def register(self, clients: TransportClients, config: ModuleConfig[Settings]) -> None:
        """The one line."""
        areas = config.settings.areas
        clients.provide(Geofences, lambda: Geofences(areas), ping=has_areas, name="geofences")


def has_areas(geofences: Geofences) -> bool:
    """False is a fault."""
    return bool(geofences.areas)
