"""An error in words, also where its own text fails: a user's `__str__` may raise anything."""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """`str(error)`; empty where that raises, or is no text."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  # whatever a `__str__` of somebody else raises
        return ""


def in_words(error: BaseException) -> str:
    """`ValueError: too hot`; only the name where there is no text."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object) -> str:
    """`repr(value)`; only the name of its class where that raises."""
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001  # as above
        return f"<{type(value).__name__}>"
