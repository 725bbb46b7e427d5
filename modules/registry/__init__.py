"""The service registry: who is there, told by retained entries that any MQTT client can read.

Layout, lowest first:

    entry.py      an entry on the wire, and what a name may be
    presence.py   the verdict on others: there, or gone and why, and who says so; no I/O
    announcements.py     the events `up` and `down`, and the clearing of an entry
    local_instances.py        our own instances: announced, kept, said goodbye for
    listener.py    what the broker tells of ours and of others
    service.py    `clients.registry`
    discovery.py  ping, info and stats over the bus
    module.py     the module
"""
