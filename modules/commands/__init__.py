"""Commands to devices: sent over MQTT, answered by the device, tracked from accepted to done.

Layout, lowest first:

    states.py     the life of an execution: what may follow what; values in, values out
    wire.py       requests and replies as MQTT messages; values in, values out
    deadlines.py  which execution times out next
    store.py      where executions are kept, and how many
    watching.py   those who wait for an execution to change
    keys.py       idempotency keys that several runtimes share
    ledger.py     where executions change: the five above, put together
    replies.py    devices' replies, matched with their executions
    service.py    `clients.commands`
    claims.py     which of several runtimes answers a request
    module.py     starts and stops the service, and answers `{root}/commands/execute`

`docs/explanation/commands.md` tells the why.
"""
