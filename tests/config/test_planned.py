"""What is not built yet is refused with the fix; no other key is taken and left without effect."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.config.schema import leaves, tree

FACE = Path(__file__).parents[2] / "dskity"
PLANNED = ("tracing.", "kv.ring.")
OF_A_STORE = ("kv.consul.",)
"""Of one that is not built, and refused when it is chosen."""
FOR_MODULES = ("modules.", "common.internal_base_url")
"""Read by users' modules alone."""
AS_A_WHOLE = ("webhooks.",)
"""Handed on as they are, all of them."""
FOR_LOADING = ("config",)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (
            {"kv": {"store": "consul"}},
            "kv.store = 'consul': the store consul is not implemented yet: write inmemory or redis",
        ),
        (
            {"kv": {"store": "sqlite"}},
            "the store sqlite is not implemented yet: write inmemory or redis",
        ),
        ({"kv": {"ring": {"vnodes": 128}}}, "keys are not spread over runtimes yet: leave it out"),
        ({"tracing": {"enabled": True}}, "tracing.enabled = True: there are no traces yet"),
        ({"tracing": {"sample_ratio": 0.5}}, "tracing.sample_ratio = 0.5: there are no traces yet"),
    ],
)
def test_what_is_not_built_is_refused_with_the_mend(values: dict[str, Any], fault: str) -> None:
    """With the rest of the faults, before anything is started."""
    with pytest.raises(InvalidSettings) as caught:
        DSkitySettings.isolated(**values)
    assert fault in str(caught.value)


@pytest.mark.parametrize("bound", [{"audit_max_bytes": "1MB"}, {"audit_files": 4}])
def test_bounds_of_the_audit_file_need_the_file(bound: dict[str, Any], tmp_path: Path) -> None:
    """Also where it is the default that is written out: whoever writes it expects the file."""
    with pytest.raises(InvalidSettings, match=r"no effect without audit_file: set audit_file, or"):
        DSkitySettings.isolated(security=bound)
    DSkitySettings.isolated(security=bound | {"audit_file": tmp_path / "audit.jsonl"})


def test_the_seed_s_own_file_is_accepted() -> None:
    """Its keys, written out with their defaults, ask for nothing that is missing."""
    kv = {
        "store": "inmemory",
        "consul": {"url": "http://127.0.0.1:8500", "key_prefix": "dskity", "verify": True},
        "ring": {"vnodes": 64},
    }
    assert DSkitySettings.isolated(kv=kv).kv.ring.vnodes == 64


def test_every_other_key_is_read_somewhere() -> None:
    """By its name, in what the face does with the settings once they are loaded."""
    read = {
        node.attr
        for file in FACE.rglob("*.py")
        if "sections" not in file.parts and FACE.resolve() in file.resolve().parents
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    unread = {
        ".".join(path)
        for path, _ in leaves(tree(DSkitySettings))
        if not set(path) - {"<name>"} <= read
    }
    known = (*PLANNED, *OF_A_STORE, *FOR_MODULES, *AS_A_WHOLE, *FOR_LOADING)
    assert {key for key in unread if not key.startswith(known)} == set()
