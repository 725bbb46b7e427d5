"""How many calls the APIs have refused, and how many privileged ones they allowed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class AccessCounters:
    """`unauthenticated` came without a token that they needed, `denied` lacked a right;
    `audit_lost` are lines that the audit log could not take."""

    wrong_tokens: int = 0
    unauthenticated: int = 0
    denied: int = 0
    privileged: int = 0
    audit_lost: int = 0
