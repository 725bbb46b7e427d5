"""The language of the house: messages, topics, the bus, and what a transport must do.

Layout, lowest first; each file imports only from those above it:

    errors.py      the tree of errors            problem.py   error → HTTP, gRPC, reply status
    wording.py     any error in words
    message.py     Message, payloads, Receipt    clock.py     time as a value
    complaints.py  a warning once a minute       counters.py  what came and went
    tasks.py       tasks whose end is seen       text.py      which text may travel
    jsontext.py    JSON from outside, in bounds  threads.py   threads for what blocks
    private.py     files for one user alone      addresses.py IP addresses as they are written
    tally.py       a count in the log, once a minute
    topics.py      filters, captures, quoting    router.py    topic → routes
    delivery.py    a message until it is acked   transport.py what a wire must do
    memory.py      the in-process transport      envelope.py  MQTT 5 fields on 3.1.1
    bloom.py       what was surely never added   rows.py      a message as a row of a spool
    database.py    a SQLite file of ours         turns.py     one at a time for each key
    seen.py        keys seen in a window
    spool.py       messages on disk              suspects.py  what ends each connection
    outbox.py      publishes that wait for the broker
    quarantine.py  what may end a connection, on one of its own
    events.py      lifecycle events              requests.py  replies by correlation
    stream.py      messages as an iterator       consumer.py  what receives, and its maker
    alarm.py       one sleeper for deadlines
    hold.py        what handlers cannot have yet strays.py    copies under filters of earlier starts
    link.py        is the broker there           subscriptions.py  who is subscribed to what
    consumer_faults.py  what consumers raise
    own_requests.py  requests to handlers of this process
    sending.py     what leaves                   receiving.py what arrives
    replying.py    where a reply may go          asking.py    a request and its reply
    granting.py    group and QoS that a broker gives
    bus.py         publish, subscribe, stream, request, over these
    announcer.py   publishing that neither blocks nor fails its caller

Needs the standard library and pydantic only, and opens nothing when imported.
"""
