"""Messages from one broker to another, kept on the disk while the other is away.

Layout, lowest first:

    rule.py      what one rule takes, and what it is called on the other side
    loops.py     rules that would carry a message round for ever, refused
    hops.py      the header by which a message that came round is known
    carrier.py   one rule at work       module.py   the rules as a module
"""

from dskity.modules.bridge.loops import refuse_loops
from dskity.modules.bridge.module import BridgeModule
from dskity.modules.bridge.rule import Rule

__all__ = ["BridgeModule", "Rule", "refuse_loops"]
