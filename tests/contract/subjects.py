"""What `@pytest.mark.needs` names: a promise of `cells.py`, or a subject, which some brokers do not
have at all. A test is made for the cells that have all that it needs, and for no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from tests.contract.cells import CANNOT, CELLS, UNTOLD, BrokerName, Cell, reason_against

_ALL = frozenset[BrokerName](get_args(BrokerName))
_MOSQUITTO = frozenset[BrokerName]({"mosquitto-5", "mosquitto-3.1.1"})


@dataclass(frozen=True, slots=True)
class Subject:
    """The brokers that have it, and why the others do not."""

    brokers: frozenset[BrokerName]
    otherwise: str


SUBJECTS = {
    "a network": Subject(_ALL - {"memory"}, "the memory transport has none"),
    "a session that ends": Subject(_ALL - {"memory"}, "the memory transport always resumes"),
    "a slow reconnect": Subject(_ALL - {"memory"}, "it is back before anything can change"),
    "keep alive": Subject(_ALL - {"memory"}, "it is not enforced"),
    "long queues": Subject(_ALL - {"rumqttd"}, "its queues are shorter"),
    "queues of groups": Subject(
        _ALL - {"rumqttd"}, "its groups keep nothing for members that are away"
    ),
    "access rules": Subject(_MOSQUITTO, "the others have none, or not in this form"),
    "sessions on disk": Subject(_MOSQUITTO, "the others keep nothing on disk"),
    "passwords": Subject(_MOSQUITTO, "one broker for each protocol version shows it"),
    "a limit on packets": Subject(
        frozenset({"mosquitto-5"}), "only mosquitto can be given one, and only MQTT 5 tells it"
    ),
    "one broker": Subject(frozenset({"mosquitto-5"}), "one broker shows it"),
}


def reason_to_leave_out(cell: Cell, need: str) -> str | None:
    """Why a cell does not have what a test needs, or None if it has; LookupError where nothing is
    known of such a need."""
    if need in SUBJECTS:
        subject = SUBJECTS[need]
        return None if cell.broker in subject.brokers else subject.otherwise
    if not any(need in table for table in (*CANNOT.values(), *UNTOLD.values(), _KEPT)):
        raise LookupError(f"no table of tests/contract tells which brokers have {need!r}")
    return reason_against(cell, need)


_KEPT = frozenset({"shared", "redelivery", "persistent"})
"""What every broker keeps."""


def cells_with(needs: Iterable[str]) -> list[Cell]:
    """The cells that have all of them."""
    wanted = list(needs)
    return [cell for cell in CELLS if not any(reason_to_leave_out(cell, one) for one in wanted)]
