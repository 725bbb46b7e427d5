"""The public names: what `from dskity import …` gives, and what that costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import dskity
from tests.house.checkout import ROOT, text

FACE = Path("dskity/__init__.py")
PUBLIC = {
    *(
        "BrokerRefused",
        "Bus",
        "Call",
        "Change",
        "CommandChanged",
        "Commands",
        "Conflict",
        "DSkityError",
    ),
    *("DSkitySettings", "Dedupe", "Drop", "EngineError", "Entry", "Event", "Events", "Execution"),
    *("Forbidden", "GrpcClient", "Instance", "InvalidHandler", "InvalidInput", "InvalidPayload"),
    *("InvalidSettings", "InvalidTopic", "KV", "KvDeleted", "KvExpired", "KvSet", "Message"),
    *(
        "MessageStream",
        "Middleware",
        "Module",
        "ModuleChanged",
        "ModuleFailed",
        "ModuleMeta",
        "MqttClient",
        "Next",
    ),
    *("NoResponder", "NotConnected", "NotFound", "OutboxFull", "Overloaded", "Receipt", "Registry"),
    *("Reject", "RemoteError", "RequestTimeout", "Retry", "RetryPolicy", "ServiceDown"),
    *("ServiceUp", "StateUnusable", "StoreUnavailable", "Subscription", "TooLarge"),
    *("TransportClients", "Unauthenticated", "Unavailable", "Unsupported", "__version__"),
    *("ModuleConfig", "load_settings", "on", "on_event", "Metric", "Metrics", "KvStore"),
    *("KvStoreChange", "WebhookDelivery", "WebhookOptions", "WebhookPreset", "WebhookVerifier"),
}
"""A name that goes from here, or changes its meaning, is a new major version."""


def test_the_public_names_are_these() -> None:
    assert set(dskity.__all__) == PUBLIC
    assert len(dskity.__all__) == len(PUBLIC)
    assert set(dir(dskity)) >= PUBLIC


def test_each_public_name_is_there() -> None:
    assert {name for name in PUBLIC if getattr(dskity, name, None) is None} == set()


def test_type_checkers_see_the_same_names_from_the_same_homes() -> None:
    """They read the imports below `TYPE_CHECKING`, which never run."""
    seen = {
        (alias.asname or alias.name, node.module)
        for node in ast.walk(ast.parse(text(FACE)))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dskity.")
        for alias in node.names
    }
    assert seen == {*dskity._HOME_OF.items()}


def test_importing_dskity_loads_nothing() -> None:
    """Completion, plug-in discovery and `dskity --version` do it at every start."""
    ask = "import sys, dskity; print(sorted(n for n in sys.modules if n.startswith('dskity.')))"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(dskity, "Thermostat")
