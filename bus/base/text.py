"""What text may travel: in a topic, a header, a content type, a key, a target, an id.

MQTT lets a receiver close the connection on control characters and on code points that are no
characters ([MQTT-1.5.4-1], [MQTT-1.5.4-2], 1.5.4), and mosquitto does; a line break in a log line
or a terminal forges the next line. So such text is refused where somebody can be told
(`fault_in`), and escaped where we write it ourselves (`escape`).
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring_ascii as ascii_json

# C0 with NUL, DEL and C1; surrogates; the 66 code points that are no characters.
_UNFIT = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef\\ufffe\\uffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
)


def fault_in(text: str) -> str | None:
    """Why `text` may not travel, in words that follow "has"; None where it may."""
    found = _UNFIT.search(text)
    if found is None:
        return None
    code = ord(found[0])
    return f"{_kind(code)} U+{code:04X} at position {found.start()}"


def percent(text: str) -> str:
    """`text` with all that may not travel percent-encoded, for levels of topics."""
    return _UNFIT.sub(_percented, text)


def escape(text: str) -> str:
    r"""`text` with all that may not travel written as `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN`."""
    return _UNFIT.sub(_escaped, text)


def escape_lines(text: str, indent: str = "    ") -> str:
    """`text` escaped, but for its line breaks: each line after the first begins with `indent`, so
    that in a log none can be taken for a record of its own."""
    return f"\n{indent}".join(map(escape, text.split("\n")))


def escape_json(text: str) -> str:
    """JSON with all that may not travel escaped in the way of JSON; it stands in texts only."""
    return _UNFIT.sub(lambda found: ascii_json(found[0])[1:-1], text)


def _kind(code: int) -> str:
    if code == 0:
        return "the NUL character"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004  # the range of the surrogates
        return "the lone surrogate"
    return "the control character" if code <= 0x9F else "the non-character"  # noqa: PLR2004  # C1 ends there


def _percented(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    short = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  # a byte
    return short if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # the first plane
