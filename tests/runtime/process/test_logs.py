"""A record in the log is one line, whatever is quoted in it; nobody forges one."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from dskity.process.logs import JsonFormatter, TextFormatter

EVERY_CONTROL = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
FORGED = "a\n2026-01-01 00:00:00,000 INFO    dskity: all is well\r\x1b[2J"


def record(text: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    """As a logger makes one."""
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("dskity.x", logging.WARNING, __file__, 1, text, arguments, info)


def left(text: str) -> list[str]:
    """The lines that begin at the left, as records do."""
    return [line for line in text.split("\n") if not line.startswith("    ")]


@pytest.mark.parametrize("form", ["%s", "%r", "%.60s"])
def test_an_argument_is_on_the_line_of_its_record(form: str) -> None:
    line = TextFormatter().format(record(f"of {form}: %d and %.1f", FORGED, 7, 1.25))
    assert "\n" not in line
    assert line.isprintable()
    assert "7 and 1.2" in line


def test_a_mapping_of_arguments_is_escaped_too() -> None:
    line = TextFormatter().format(record("of %(topic)s, %(n)d", {"topic": FORGED, "n": 3}))
    assert line.isprintable()
    assert line.endswith(r"\x0d\x1b[2J, 3")


def test_a_text_without_arguments_keeps_its_line_breaks_and_indents_what_follows() -> None:
    """It may be the program's own report of several lines, or quote somebody: 50% of them do."""
    text = TextFormatter().format(record(f"100% {FORGED}{EVERY_CONTROL}"))
    assert len(left(text)) == 1
    assert all(line.isprintable() for line in text.split("\n"))


def fail() -> None:
    raise ValueError(FORGED)


def test_a_traceback_stays_one_and_is_indented() -> None:
    try:
        fail()
    except ValueError as error:
        text = TextFormatter().format(record("failed: %s", error, error=error))
    assert len(left(text)) == 1
    assert "    Traceback (most recent call last):" in text.split("\n")
    assert "    2026-01-01 00:00:00,000 INFO    dskity: all is well" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_other_handlers_get_the_record_as_it_was() -> None:
    it = record("of %s", "a\nb")
    TextFormatter().format(it)
    assert (it.msg, it.args, it.getMessage()) == ("of %s", ("a\nb",), "of a\nb")


@pytest.mark.parametrize("text", [FORGED, EVERY_CONTROL, "\ud800", "\U0001fffe"])
def test_json_is_one_line_that_any_stream_takes(text: str) -> None:
    line = JsonFormatter().format(record("of %s", text))
    assert line.isprintable()
    line.encode()
    assert json.loads(line)["message"] == f"of {text}"


def test_a_surrogate_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stderr.write(TextFormatter().format(record("of %s", "\ud800")))
    assert r"of \ud800" in capsys.readouterr().err
