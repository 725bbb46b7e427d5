"""What is committed is what `scripts/protos` makes of the .proto file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from google.protobuf.descriptor import FileDescriptor

from dskity.bus.message import Receipt
from dskity.modules.commands.states import State
from dskity.modules.grpc.v1 import dskity_pb2 as pb
from scripts.stubs import REAL, generate

FOLDER = REAL / "v1"
FILES = ("dskity_pb2.py", "dskity_pb2.pyi", "dskity_pb2_grpc.py", "dskity_pb2_grpc.pyi")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with newly generated files."""
    return generate(tmp_path_factory.mktemp("protos"))


@pytest.mark.parametrize("name", FILES)
def test_the_generated_code_is_up_to_date(fresh: Path, name: str) -> None:
    """Else run `scripts/protos` and commit."""
    assert _unversioned(FOLDER / name) == _unversioned(fresh / name)


def test_every_word_for_who_keeps_a_message_has_its_value() -> None:
    """`Receipt.accepted`, in capitals."""
    words = get_args(get_type_hints(Receipt)["accepted"])
    assert [f"ACCEPTED_{word.upper()}" for word in words] == pb.Accepted.keys()[1:]


def test_every_state_of_a_command_has_its_value() -> None:
    """In capitals, in the order of a command's life."""
    assert [f"STATE_{state.upper()}" for state in State] == pb.State.keys()[1:]


def test_the_package_is_named_in_full() -> None:
    """Its version is part of the name, so that a second one can stand beside it."""
    assert isinstance(pb.DESCRIPTOR, FileDescriptor)
    assert pb.DESCRIPTOR.package == "dskity.v1"


def _unversioned(path: Path) -> str:
    # Another patch release of the tools writes the same code with another number.
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\b\d+\.\d+\.\d+\b", "0.0.0", text)
    return re.sub(r"(PUBLIC,\n)(?:    \d+,\n){3}", r"\1", text)
