"""`dskity demo`: the greenhouse, for a few seconds, against assertions.

The scenario is `examples/greenhouse`, which the link `greenhouse` leads to and which is packed with
us: its modules, its settings, and its devices, which are clients of another library.

Layout, lowest first:

    finding.py     what a check found           sightings.py   what the devices saw
    fleet.py       the devices' process         neighbour.py   a second runtime, to be killed
    github.py      a sender of webhooks         stage.py       all that a check may use
    telemetry.py doors.py lifecycle.py          the checks
    summary.py     the table                    show.py        puts these together
"""

from dskity.demo.show import main

__all__ = ["main"]
