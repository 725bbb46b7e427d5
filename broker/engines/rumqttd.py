"""rumqttd as our child: a broker written in Rust, which the package iotcore brings (extra
`rumqttd`)."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from dskity.broker.engines import rumqttd_conf
from dskity.broker.engines.listen import Listen
from dskity.broker.engines.managed import ManagedBroker
from dskity.broker.engines.process_supervisor import Crash
from dskity.broker.engines.reachable import speaks_mqtt
from dskity.broker.limits import Limits
from dskity.bus.base.clock import SYSTEM_CLOCK, Clock
from dskity.bus.errors import Unsupported

log = logging.getLogger(__name__)


class ManagedRumqttd(ManagedBroker):
    """An engine: a supervised rumqttd, on loopback, with MQTT 5.

    Its configuration lies in `{state_dir}/rumqttd`.
    """

    cannot: tuple[str, ...] = (
        "Retained and queued messages and sessions end with it: nothing is on disk.",
        "Only MQTT 5, and over WebSocket only MQTT 3.1.1; on loopback, without passwords.",
        "Above 32 MiB on one filter it silently drops the oldest messages, delivered or not.",
        "Redelivered messages are not marked as duplicates; `qos=2`, which fails, is rejected.",
        "A client receives at most 100 messages at once, and its session never expires.",
        "It does not report missing subscribers; its maximum packet size is 16 MiB.",
        "It serves one filter of a `group`; the next is rejected: use different group names.",
        "On a resumed session it ignores UNSUBSCRIBE.",
    )

    limits: Limits = Limits(max_packet=rumqttd_conf.MAX_PACKET, max_qos=1, shares_filters=False)

    def __init__(
        self,
        listen: Listen,
        state_dir: Path,
        *,
        on_crash: Callable[[Crash], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        for name in ("users_file", "acl_file"):
            if getattr(listen, name) is not None:
                raise Unsupported(
                    f"our rumqttd reads no {name}: set broker.engine to mosquitto, "
                    "or leave the file out"
                )
        super().__init__("rumqttd", listen, state_dir, on_crash=on_crash, clock=clock)

    @property
    def _conf(self) -> Path:
        return self._folder / "rumqttd.toml"

    def _render(self, listen: Listen) -> str:
        return rumqttd_conf.render(listen)

    def _command(self) -> tuple[str, ...]:
        # -P: a folder `iotcore` where we are started is not the package. CRITICAL: rumqttd tells
        # of every packet as of an error; what it dies of it writes all the same.
        options = ("--config", str(self._conf), "--log-level", "CRITICAL")
        return sys.executable, "-P", "-m", "iotcore", *options

    def save(self) -> None:
        """See `Engine`: it has nothing on the disk."""

    async def _answers(self) -> bool:
        return await speaks_mqtt(self._open.near_host, self._open.port, version=5)

    def _hear(self, line: str) -> None:
        log.debug("rumqttd: %s", line)  # the keeper tells the last lines when it ends


def has_rumqttd() -> bool:
    """Whether the package iotcore is installed."""
    return importlib.util.find_spec("iotcore") is not None
