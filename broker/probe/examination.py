"""Finding out what a broker really does, before anybody relies on it.

CONNACK tells little, and some brokers grant what they do not do. So short connections of our own
try each thing, side by side, on topics that nobody else has (`dskity-trial/…`); they take a few
seconds at most, and leave nothing behind. It is the deep one of the probe's two depths; `basics.py`
is the shallow one, tried at a start, and the first experiment here.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import get_args

from dskity.broker.connection.version_negotiator import VersionNegotiator
from dskity.broker.probe.client import PREFIX, visit
from dskity.broker.probe.context import Ground
from dskity.broker.probe.experiments import EXPERIMENTS, LABOURS, Experiment, measuring
from dskity.broker.probe.findings import Examination, Finding, FindingName, judged
from dskity.broker.settings import ConnectionSettings
from dskity.broker.tls import client_context
from dskity.broker.wire import PROTOCOL_NAMES, ConnectRequest, ConnectResult, WireFactory
from dskity.bus.base.threads import blocking
from dskity.bus.errors import BrokerRefused, DSkityError, NotConnected

PATIENCE = 8.0  # seconds for one experiment; the longest takes 3 on loopback
_ACL = f"does an ACL forbid {PREFIX}/#?"
CLEARING = 2.0  # seconds for what it leaves to be cleared


async def examine(settings: ConnectionSettings, make_wire: WireFactory) -> Examination:
    """Examine the broker of `settings`, of several the first one that is there; no other client may
    be using the client id.

    Raises `NotConnected` or `BrokerRefused` where it does not let us in.
    """
    opening, welcome = await _greet(settings, make_wire)

    async def find(experiment: Experiment, names: tuple[FindingName, ...]) -> tuple[Finding, ...]:
        own = replace(opening, client_id=f"{opening.client_id}-{names[0]}")
        return await _try(experiment, names, Ground(own, make_wire, welcome))

    found = [_told(opening.settings, welcome), *await find(measuring, ("round_trip",))]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(find(experiment, names), name=f"examination: {names[0]}")
            for experiment, names in EXPERIMENTS.items()
        ]
    for task in tasks:
        found += task.result()
    for experiment, names in LABOURS.items():
        found += await find(experiment, names)
    order = get_args(FindingName)
    found.sort(key=lambda finding: order.index(finding.name))
    return Examination(str(opening.settings.address), tuple(found))


async def _greet(
    settings: ConnectionSettings, make_wire: WireFactory
) -> tuple[ConnectRequest, ConnectResult]:
    """By the first node that lets us in."""
    *others, last = settings.nodes
    for node in others:
        with contextlib.suppress(BrokerRefused, NotConnected):
            return await _greet_node(node, make_wire)
    return await _greet_node(last, make_wire)


async def _greet_node(
    node: ConnectionSettings, make_wire: WireFactory
) -> tuple[ConnectRequest, ConnectResult]:
    """Learn which version it accepts, as a connection does."""
    tls = await blocking(client_context, node.tls) if node.address.tls else None
    negotiator = VersionNegotiator(node.protocol)
    while True:
        opening = ConnectRequest(
            node, node.client_id, negotiator.version, clean_start=True, session_expiry=0, tls=tls
        )
        try:
            async with visit(opening, make_wire) as guest:
                return opening, guest.welcome
        except (BrokerRefused, NotConnected) as error:
            if not negotiator.refused(error):
                raise


def _told(settings: ConnectionSettings, welcome: ConnectResult) -> Finding:
    """What the version means."""
    name = PROTOCOL_NAMES[welcome.version]
    asked = settings.protocol == "3.1.1"
    return judged("mqtt5", f"{name}, as the settings say" if asked else name, holds=welcome.five)


async def _try(
    experiment: Experiment, names: tuple[FindingName, ...], ground: Ground
) -> tuple[Finding, ...]:
    """What it finds; where it fails, or takes too long, nothing is known."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await experiment(ground)
    except TimeoutError:
        reason = f"no answer within {PATIENCE:g} s: {_ACL}"
    except NotConnected as error:  # so mosquitto answers a forbidden publish of QoS 0
        reason = f"{error}: {_ACL}"
    except DSkityError as error:
        reason = str(error)
    finally:
        with contextlib.suppress(DSkityError, TimeoutError):
            async with asyncio.timeout(CLEARING):
                await ground.clear()
    return tuple(Finding(name, "unknown", reason) for name in names)
