"""The language of the project: messages, topics, the bus, and what a transport must do.

Layout, lowest first; each imports only from those above it (import-linter holds the rooms):

    errors.py      the tree of errors            base/         clocks, tasks, threads, text, JSON
    problem.py     error → HTTP, gRPC, status    message.py    Message, payloads, Receipt
    topics.py      filters, captures, quoting    events.py     lifecycle events
    delivery.py    a message until it is acked   transport.py  what a wire must do
    envelope.py    MQTT 5 fields on 3.1.1        counters.py   what came and went
    middleware.py  what runs round a handler
    consumer.py    what receives, and its maker  routing/      topic → subscriptions
    sessions/      what a broker keeps           link.py       whether the broker is there
    store/         what is kept on the disk      stream.py     messages as an iterator
    memory.py      the in-process transport, over sessions/
    outbound.py    what leaves                   requests/     replies, where they may go
    inbound/       what arrives                  operations/   the parts of the bus
    bus.py         publish, subscribe, stream, request, over these
    background_publisher.py  publishing that neither blocks nor fails its caller

Needs the standard library and pydantic only, and opens nothing when imported.
"""
