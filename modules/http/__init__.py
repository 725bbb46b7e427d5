"""The HTTP API: a FastAPI app that every module may add routes to, and the server that opens it.

Layout, lowest first:

    request_id.py  a call's id               security_headers.py  what a browser may do
    problems.py  errors as problem+json      failures.py  what a failed call leaves in the log
    limits.py      bounds on bodies and streams
    guard.py       who calls, before anything else runs  path_text.py  no line break in a path
    caller.py      what a route asks of its request
    headers.py     message headers as HTTP headers        sse.py  a stream of events as a response
    outward.py     what devices say, where HTTP cannot carry it
    openapi.py     errors in the OpenAPI document
    routes/        one file for each thing that can be called: decode, bus, encode
    pydantic_v1.py what FastAPI need not import
    app.py         puts these together       module.py    the module that adds the routes
    wire/          sockets, and uvicorn's parsers with bounds
    server.py      listens, serves and stops
"""

from dskity.modules.access.server_tls import ServerTls
from dskity.modules.http.app import Cors, HttpLimits, create_app, furnish
from dskity.modules.http.guard import OPEN_PATHS, OpenPath
from dskity.modules.http.module import HttpModule
from dskity.modules.http.server import HttpServer
from dskity.modules.http.wire.connections import Bounds, TimeOuts

__all__ = [
    "OPEN_PATHS",
    "Bounds",
    "Cors",
    "HttpLimits",
    "HttpModule",
    "HttpServer",
    "OpenPath",
    "ServerTls",
    "TimeOuts",
    "create_app",
    "furnish",
]
