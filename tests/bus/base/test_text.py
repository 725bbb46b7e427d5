"""Which text may travel."""

from __future__ import annotations

import pytest

from dskity.bus.base.text import escape, fault_in

UNFIT = {
    "\0": "the NUL character U+0000",
    "\n": "the control character U+000A",
    "\x1b": "the control character U+001B",
    "\x7f": "the control character U+007F",
    "\x9f": "the control character U+009F",
    "\ud800": "the lone surrogate U+D800",
    "\ufdd0": "the non-character U+FDD0",
    "\uffff": "the non-character U+FFFF",
    "\U0010fffe": "the non-character U+10FFFE",
}


@pytest.mark.parametrize("character", UNFIT, ids=ascii)
def test_what_mqtt_lets_a_broker_hang_up_for_is_found(character: str) -> None:
    """MQTT 5 spec 1.5.4."""
    assert fault_in(f"ab{character}c") == f"{UNFIT[character]} at position 2"


@pytest.mark.parametrize("text", ["", "devices/ä/läuft 25 °C", "\u00a0", "\U0001f600", "\ue000"])
def test_all_other_text_passes(text: str) -> None:
    assert fault_in(text) is None
    assert escape(text) == text


def test_what_we_write_ourselves_is_escaped() -> None:
    assert escape("1 error\n\x1b[31mred\ud800\U0001ffff") == (
        "1 error\\x0a\\x1b[31mred\\ud800\\U0001ffff"
    )
    assert all(fault_in(escape(character)) is None for character in UNFIT)
