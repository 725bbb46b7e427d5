"""docs/reference/grpc.md says what dskity.proto says."""

from __future__ import annotations

from dskity.modules.grpc.v1 import dskity_pb2 as pb
from scripts.reference.grpc import render
from scripts.stubs import ROOT

PAGE = ROOT / "docs" / "reference" / "grpc.md"


def test_the_page_is_up_to_date() -> None:
    """Else run `scripts/docs`."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_service_method_and_message_is_on_the_page() -> None:
    """And every service and method says what it does, which the page cannot be made without."""
    text = PAGE.read_text(encoding="utf-8")
    services = pb.DESCRIPTOR.services_by_name
    wanted = [f"## {name}\n" for name in services]
    wanted += [f"### {name}\n" for name in pb.DESCRIPTOR.message_types_by_name]
    wanted += [f"| `{m.name}` |" for service in services.values() for m in service.methods]
    assert [each for each in wanted if each not in text] == []
