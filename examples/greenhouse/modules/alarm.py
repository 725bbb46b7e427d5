"""An alarm for each zone: raised by heat, and cleared by time.

The alarm is a key with a time to live. Every hot reading writes it anew; once readings are cool, it
expires, and the event that says so clears the alarm.
"""

from __future__ import annotations

from pydantic import BaseModel

from dskity import (
    KV,
    Bus,
    KvExpired,
    Module,
    ModuleConfig,
    ModuleMeta,
    TransportClients,
    on,
    on_event,
)


class Warmth(BaseModel):
    """The part of a zone's state that an alarm needs."""

    celsius: float


class Settings(BaseModel):
    """`modules.alarm.additional_settings`: degrees, and seconds."""

    hot_above: float = 28.0
    clear_after: float = 4.0


class Alarm(Module[Settings]):
    """Publishes `greenhouse/{zone}/alarm`, `raised` or `cleared`."""

    meta = ModuleMeta(name="alarm", depends_on=("kv",))

    def register(self, clients: TransportClients, config: ModuleConfig[Settings]) -> None:
        """Keep the settings."""
        del clients
        self.settings = config.settings

    @on("greenhouse/{zone}/state", order_by="zone")
    async def warm(self, state: Warmth, zone: str, kv: KV, bus: Bus) -> None:
        """Raise an alarm, or keep it raised."""
        if state.celsius <= self.settings.hot_above:
            return
        key = f"alarms/{zone}"
        raised = await kv.get(key) is not None
        await kv.put(key, state.celsius, ttl_seconds=self.settings.clear_after)
        if not raised:
            await bus.publish(
                f"greenhouse/{zone}/alarm", {"state": "raised", "celsius": state.celsius}
            )

    @on_event(KvExpired, key="alarms/{zone}")
    async def cool(self, zone: str, bus: Bus) -> None:
        """Clear the alarm whose key has expired."""
        await bus.publish(f"greenhouse/{zone}/alarm", {"state": "cleared"})
