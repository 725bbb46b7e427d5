"""The pages about the doors say what the app does."""

from __future__ import annotations

import re
from pathlib import Path

from dskity.modules.access.security import Guard
from dskity.modules.contract import KV, Commands, Registry
from dskity.modules.http import HttpModule, create_app
from dskity.modules.ops import OpsModule
from dskity.modules.webhooks import PRESETS, WebhooksModule
from tests.house_bus import memory_house
from tests.http.conftest import Services, clients_of

DOCS = Path(__file__).parents[2] / "docs"
ROUTE = re.compile(r"^\| `(GET|POST|PUT|DELETE) (/\S*)` \|", re.MULTILINE)


async def test_every_route_is_in_the_reference_and_no_other() -> None:
    """The table of routes, against the app's own description."""
    app = create_app("t", Guard())
    async with memory_house() as house:
        values: dict[type, object] = {Registry: Services(), KV: object(), Commands: object()}
        clients = clients_of(house, app, values)
        for module in (HttpModule("t", list), OpsModule({}), WebhooksModule({})):
            module.register(clients, {})
    served = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    told = set(ROUTE.findall((DOCS / "reference" / "http.md").read_text(encoding="utf-8")))
    assert told == served


def test_every_preset_is_in_the_guide() -> None:
    """docs/how-to/receive-webhooks.md, one row each."""
    guide = (DOCS / "how-to" / "receive-webhooks.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE) == list(PRESETS)
