"""The gRPC API: the bus, the KV store, the registry and the commands for gRPC clients.

Layout, lowest first:

    dskity.proto  the interface, package `dskity.v1`   v1/          what is generated from it
    encoding.py   our values as protobuf messages      status.py    errors as google.rpc.Status
    call.py       who calls, and the request id        mailbox.py   a subscriber's bounded buffer
    malformed.py  requests that are no messages
    door.py       the guard and the error table round every call
    bus_service.py, kv_service.py, registry_service.py, commands_service.py    the servicers
    health.py     grpc.health.v1, following readiness  reflection.py  imported when it is asked for
    client.py     `clients.grpc`: servicers of modules, and channels to others
    tls.py        certificates                         server.py    the server
    module.py     adds the servicers

A servicer decodes, calls what lies below, and encodes; it decides nothing.
"""
