"""Write them into this checkout."""

from __future__ import annotations

from scripts.stubs import ROOT, generate

generate(ROOT)
