"""`${VAR}` and `${VAR:-default}` in settings files.

`$VAR` counts only as a whole value, so that a password may hold a dollar sign. `$${` and, as a
whole value, `$$VAR` write a plain `${` and `$VAR`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dskity.bus.errors import InvalidSettings

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_BRACED = re.compile(rf"\$\$\{{|\$\{{(?P<name>{_NAME})(?::-(?P<default>[^}}]*))?\}}")
_WHOLE = re.compile(rf"\$(?P<escape>\$)?(?P<name>{_NAME})")
_UNCLOSED = re.compile(r"(?<!\$)\$\{")


def substitute(text: str, variables: Mapping[str, str], where: Callable[[], str]) -> str:
    """`text` with its variables replaced; `where()` names the file and key for the error."""
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        name = whole["name"]
        return f"${name}" if whole["escape"] else _value(name, variables, where)

    def replace(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "${"
        default = match["default"]
        if default is not None:
            return variables.get(match["name"]) or default
        return _value(match["name"], variables, where)

    if _UNCLOSED.search(_BRACED.sub("", text)):
        raise InvalidSettings(
            f"{where()}: ${{ without a name and a closing brace: write ${{NAME}}, "
            "${NAME:-default}, or $${ for a plain ${"
        )
    return _BRACED.sub(replace, text)


def _value(name: str, variables: Mapping[str, str], where: Callable[[], str]) -> str:
    try:
        return variables[name]
    except KeyError:
        raise InvalidSettings(
            f"{where()}: the environment variable {name} is not set: "
            f"set it, or write ${{{name}:-default}}"
        ) from None
