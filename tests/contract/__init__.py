"""What every transport promises on every broker; the cells are in `cells.py`, and what a test needs
of one is in `subjects.py`. `test_promises.py` compares the tables with what transports say of
themselves, `test_cells.py` counts what they leave out.

`transport/` is about a transport alone (`house.py`): exchange, acknowledgements, subscriptions,
lanes, sessions, presence, and networks in trouble.

`bus/` is about a bus with its files (`box.py`): crashes (redelivery, dedupe, the inbox, groups),
times offline (the outbox, lists of brokers), requests, overload (order, bounds, what passes), dead
letters, changed filters, backlogs, and a bridge between named connections.

What is the same on every wire is tested once, in memory: the bounds of the outbox and the inbox,
retries, time-outs, windows of keys. Whole processes that are killed are in `tests/faults/`.
"""
