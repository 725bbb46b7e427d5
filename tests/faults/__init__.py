"""What breaks in the field, done to real processes: nothing that was accepted may be lost.

    load.py       numbered messages           journal.py   numbers on disk
    worker.py     the runtime that suffers    process.py   starts and kills it
    misbehaviour.py  what its handlers do wrong
    publisher.py  a device that counts PUBACKs
    frames.py     packets in a byte stream    tap.py       who forgot a message
    hostile.py    a network that cuts         surroundings.py  small and read-only disks
    siege.py      strangers at the HTTP API
    watching.py   waiting for journals        outcome.py   what was lost, and what came twice
    scenarios/    one file a cause            suite.py     all of them, with their sizes
    soaking/      all faults for a long time  one_runtime/  a hanging disk, a set clock, bad input
    tables.py     what is printed

`python -m tests.faults` is `scripts/faults`.
"""
