"""A module as the `init` of DSkity 1 lays it out: it runs unmodified."""

from __future__ import annotations

import httpx
import pytest

from tests.modules.conftest import Folder, staged

INIT = '''
"""The orders module."""

from .module import get_module

__all__ = ["get_module"]
'''
CONFIG = """
from pydantic import BaseModel

class OrdersSettings(BaseModel):
    currency: str = "EUR"
"""
MODULE = """
from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from {home} import {names}
from .config import OrdersSettings

@dataclass(frozen=True)
class OrdersModule(Module):
    meta: ModuleMeta = ModuleMeta(name="orders", base_path="/orders")

    def additional_settings_model(self):
        return OrdersSettings

    def register(self, clients: TransportClients, config) -> None:
        logger = clients.get_logger("orders")
        settings = config.modules.orders.additional_settings
        router = APIRouter(prefix=self.meta.base_path, tags=["orders"])

        @router.get("/")
        async def currency() -> dict[str, str]:
            logger.info("asked")
            return {{"currency": settings.currency}}

        clients.http.include_router(router)

def get_module() -> Module:
    return OrdersModule()
"""


@pytest.mark.parametrize(
    ("home", "names"),
    [
        ("dskity", "DSkitySettings, Module, ModuleMeta, TransportClients"),
        ("dskity.modules.contracts", "Module, ModuleMeta, TransportClients"),
        ("dskity.modules", "Module, ModuleMeta, TransportClients"),
    ],
)
async def test_it_runs_unmodified(folder: Folder, home: str, names: str) -> None:
    """A package with `module.py`, `config.py` and `get_module()`; a frozen dataclass; a router."""
    folder.write("orders/__init__.py", INIT)
    folder.write("orders/config.py", CONFIG)
    folder.write("orders/module.py", MODULE.format(home=home, names=names))
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        status = stage.supervisor.states()["orders"]
        assert (status.state, status.reason) == ("started", "")
        transport = httpx.ASGITransport(stage.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/orders/")).json() == {"currency": "EUR"}
