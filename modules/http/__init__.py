"""The HTTP door: a FastAPI app that every module may add routes to, and the server that opens it.

Layout, lowest first:

    request_id.py  a call's id               problems.py  errors as problem+json
    limits.py      bounds on bodies and streams
    guard.py       who calls, before anything else runs
    caller.py      what a route asks of its request
    headers.py     message headers as HTTP headers        sse.py  a stream of events as a response
    routes/        one file for each thing that can be called: decode, bus, encode
    app.py         puts these together       module.py    the module that adds the routes
    head_limit.py  a bound on a request's head
    server.py      listens, serves and stops
"""

from dskity.modules.http.app import Cors, Limits, create_app, furnish
from dskity.modules.http.guard import OPEN_PATHS, OpenPath
from dskity.modules.http.module import HttpModule
from dskity.modules.http.server import HttpServer, ServerTls

__all__ = [
    "OPEN_PATHS",
    "Cors",
    "HttpModule",
    "HttpServer",
    "Limits",
    "OpenPath",
    "ServerTls",
    "create_app",
    "furnish",
]
