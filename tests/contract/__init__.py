"""What every transport promises on every broker; the cells are in `cells.py`.

On a transport alone (`house.py`): `test_exchange.py`, `test_acknowledgement.py`,
`test_subscriptions.py`, `test_lanes.py`, `test_sessions.py`, `test_presence.py`, `test_trouble.py`,
and `test_promises.py`, which compares the table with what the transports say of themselves.

On a bus with its files (`box.py`): `test_crashes.py` (redelivery, dedupe, the inbox, groups),
`test_offline.py` (the outbox, lists of brokers), `test_requests.py`, `test_overload.py` (order,
bounds, what passes), `test_dead_letters.py`, and `test_bridge.py` (named connections).

What is the same on every wire is tested once, in memory: the bounds of the outbox and the inbox,
retries, time-outs, windows of keys. Whole processes that are killed are in `tests/faults/`.
"""
