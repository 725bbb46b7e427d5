"""Writes the Python code and types of modules/grpc/dskity.proto; `scripts/protos` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Where the file is said to lie, so that the generated modules import each other by the names that
# an installation has; protoc takes it from `said=real`.
SAID = "dskity/modules/grpc/v1"
REAL = ROOT / "modules" / "grpc"


def generate(out: Path) -> Path:
    """Write below `out`; the folder that then has the files.

    mypy-protobuf writes the types, because protoc's own have none for the stubs.
    """
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={SAID}={REAL}"]
    command += [f"--{plugin}_out={out}" for plugin in ("python", "grpc_python")]
    for plugin in ("mypy", "mypy_grpc"):
        program = Path(sys.executable).with_name(f"protoc-gen-{plugin}")
        command += [f"--plugin=protoc-gen-{plugin}={program}", f"--{plugin}_out=quiet:{out}"]
    subprocess.run([*command, f"{SAID}/dskity.proto"], check=True)  # noqa: S603  # our own words
    return out / SAID
