"""The key-value store: JSON values with a time to live, and an event on the bus for each change.

Layout, lowest first:

    values.py         what a key, a value and a time to live may be
    store.py          what a store must do
    memory_store.py   the store `inmemory`        outage.py      whether a server can be used
    redis_scripts.py  what runs inside Redis      redis_feed.py  changes that others made there
    redis_store.py    the store `redis`
    provided_store.py a store of a module, with its faults contained
    events.py         a change as an event        watch.py       changes as an async iterator
    last_values.py    values in events of ends
    service.py        `clients.kv`                requests.py    the same over the bus
    module.py         the module, and how it is built
"""
