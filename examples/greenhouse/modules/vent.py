"""Commands out: an alarm opens the zone's vent, and its end closes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from dskity import Commands, Module, ModuleConfig, ModuleMeta, Retry, TransportClients, on

ANSWER_WITHIN = 2.0  # seconds; the device answers in milliseconds when it is there


class Alarm(BaseModel):
    """What the alarm module says of a zone."""

    state: Literal["raised", "cleared"]


class Settings(BaseModel):
    """`modules.vent.additional_settings`: the vent of each zone that has one."""

    vents: dict[str, str] = {"north": "vent-1"}


class Vent(Module[Settings]):
    """Tracks each command until the device has answered."""

    meta = ModuleMeta(name="vent", depends_on=("commands",))

    def register(self, clients: TransportClients, config: ModuleConfig[Settings]) -> None:
        """Keep the settings."""
        del clients
        self.settings = config.settings

    @on("greenhouse/{zone}/alarm", order_by="zone")
    async def move(self, alarm: Alarm, zone: str, commands: Commands) -> None:
        """Is retried while the vent does not answer."""
        vent = self.settings.vents.get(zone)
        if vent is None:
            return
        command = "open" if alarm.state == "raised" else "close"
        done = await commands.execute(vent, command, wait=ANSWER_WITHIN, ttl=ANSWER_WITHIN)
        if done.state != "succeeded":
            raise Retry(f"{vent} did not {command}: {done.state}")
