"""`/_core/services`: the live services, for people (HTML) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import HTMLResponse

from dskity.bus.errors import NotFound
from dskity.modules.access.documented import responses
from dskity.modules.contract import Instance, Registry
from dskity.modules.http.caller import caller
from dskity.modules.http.security_headers import NO_SCRIPTS

_INSTANCES = TypeAdapter(list[Instance])

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Services</title></head>
<body>
<h1>Services</h1>
<table>
<thead><tr><th>Service</th><th>Instance</th><th>URL</th><th>Kind</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def routes(registry: Registry, root: str) -> APIRouter:
    """The registry under `/_core`; `root` is the bus's."""
    router = APIRouter(prefix="/_core", tags=["registry"])

    def require(request: Request) -> None:
        caller(request).require_subscribe(f"{root}/registry/#")

    @router.get("/services", response_class=HTMLResponse)
    async def page(request: Request) -> HTMLResponse:
        """The live services as a page."""
        require(request)
        return HTMLResponse(_PAGE.format(rows="\n".join(_rows(registry))), headers=NO_SCRIPTS)

    @router.get("/services.json")
    async def all_services(request: Request) -> dict[str, Any]:
        """The live services, each with its instances."""
        require(request)
        return {"services": {name: _shown(registry, name) for name in registry.services()}}

    @router.get("/services/{service}.json", responses=responses(404))
    async def one_service(request: Request, service: str) -> dict[str, Any]:
        """The live instances of one service; 404 where it has none."""
        require(request)
        instances = _shown(registry, service)
        if not instances:
            raise NotFound(f"no live instance of {service!r}")
        return {"service": service, "instances": instances}

    return router


def _shown(registry: Registry, service: str) -> Any:
    return _INSTANCES.dump_python(registry.instances(service), mode="json")


def _rows(registry: Registry) -> Iterator[str]:
    for service in registry.services():
        for instance in registry.instances(service):
            cells = (service, instance.instance, instance.url, instance.kind)
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
