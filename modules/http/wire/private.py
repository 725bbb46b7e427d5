"""The private names of uvicorn: overridden and used by the protocols over it."""

from __future__ import annotations

from dskity.bus.base.foreign import Library, names_of

_TESTED = ("0.52.0", "0.54.0")

H11 = Library(
    "uvicorn",
    _TESTED,
    "install httptools",
    names_of(
        "uvicorn.protocols.http.h11_impl:H11Protocol",
        {"_should_upgrade": "upgrades to WebSocket only what a WebSocket protocol answers"},
    ),
)
HTTPTOOLS = Library(
    "uvicorn",
    _TESTED,
    "uninstall httptools",
    names_of(
        "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol",
        {
            "_should_upgrade": "upgrades to WebSocket only what a WebSocket protocol answers",
            "_unset_keepalive_if_required": "reads the socket without its error handling",
        },
    ),
)
LIBRARIES = (H11, HTTPTOOLS)
