"""The version, from the installed package; a bare checkout is `0`."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("dskity")
except PackageNotFoundError:
    VERSION = "0"
