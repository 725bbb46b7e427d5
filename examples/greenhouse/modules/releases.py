"""Webhooks in: a release on GitHub is news for the panel in the greenhouse."""

from __future__ import annotations

from pydantic import BaseModel

from dskity import Bus, Module, ModuleMeta, on


class Release(BaseModel):
    """The part of a release that is news."""

    tag_name: str


class ReleaseEvent(BaseModel):
    """What GitHub posts to `/webhooks/github` with the event `release`."""

    action: str
    release: Release


class Releases(Module):
    """The signature was checked before the event came onto the bus."""

    meta = ModuleMeta(name="releases", depends_on=("webhooks",))

    @on("hooks/github/release")
    async def released(self, event: ReleaseEvent, bus: Bus) -> None:
        """Tell the panel."""
        if event.action == "published":
            await bus.publish("greenhouse/panel", f"firmware {event.release.tag_name} is out")
