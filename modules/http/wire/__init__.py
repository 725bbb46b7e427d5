"""Below the app: sockets, places of connections, and uvicorn's parsers with bounds.

Layout, lowest first:

    connections.py who may hold a connection, and for how long
    reserve.py     the app as the reserve of connections sees it
    listener.py    the listening socket
    protocol.py    time-outs and bounds on the wire
    private.py     the private names of uvicorn that these use
    over_httptools.py, over_h11.py           over each of uvicorn's parsers
"""
