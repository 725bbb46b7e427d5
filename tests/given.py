"""Providers with given values, for the tests of modules without a runtime round them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dskity.bus.base.threads import ThreadPool
from dskity.modules.providers.handle import Providers
from dskity.modules.providers.registry import ProviderRegistry


def given(values: Mapping[type, Any] | None = None) -> Providers:
    """Those of the runtime, which provides these values."""
    providers = Providers(ProviderRegistry(ThreadPool("tests")))
    for kind, value in (values or {}).items():
        providers.provide(kind, partial(_same, value))
    return providers


def _same(value: Any) -> Any:
    return value
