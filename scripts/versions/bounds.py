"""Which versions `pyproject.toml` allows of the libraries whose private names are used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = ("aiomqtt", "paho-mqtt", "amqtt", "uvicorn", "httptools", "h11")


def allowed() -> list[str]:
    """The requirement of each library, as it stands there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", each)[0]: each for each in project["dependencies"]}
    return [names[library] for library in LIBRARIES]


def lowest(requirement: str) -> str:
    """The same library at its lower bound: `a>=1.2,<2` is `a==1.2`."""
    return requirement.split(",", maxsplit=1)[0].replace(">=", "==")
