"""What a broker keeps and decides, without a wire: sessions, subscriptions, retained messages.

    session.py     `Session`, `Subscription`, `Queued`, and what the core asks of a client
    bounds.py      how much may wait for the clients, in messages and bytes
    retained.py    the retained messages
    groups.py      whose turn it is in a shared subscription
    core.py        `BrokerCore`: who gets which message

The memory transport and the built-in broker (`broker/engines/builtin/`) are its two users.
"""
