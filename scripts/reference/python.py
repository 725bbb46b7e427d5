"""docs/reference/python.md: every public name with its signature, what it says of itself, and an
example that runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dskity
from scripts.reference.markdown import page

_ANNOTATION = re.compile(r"(: |-> )'([^']+)'")
EXAMPLES = Path(__file__).parents[2] / "examples" / "api"
GROUPS = {
    "The bus": "a_bus",
    "Modules": "a_module",
    "What modules provide": "provided",
    "What a handler decides": "outcomes",
    "Middleware": "middleware",
    "Services": "services",
    "Errors": "failures",
}
"""Heading → its example in `examples/api/`."""
NAMES = {
    "The bus": "Bus Message Receipt Subscription MessageStream",
    "Modules": """
        Module ModuleMeta TransportClients on on_event DSkitySettings ModuleConfig load_settings
        MqttClient GrpcClient Events""",
    "What modules provide": """
        Metrics Metric KvStore KvStoreChange WebhookPreset WebhookOptions WebhookVerifier
        WebhookDelivery""",
    "What a handler decides": "RetryPolicy Dedupe Drop Reject Retry",
    "Middleware": "Middleware Call Next",
    "Services": """
        KV Entry Change Registry Instance Commands Execution Event KvSet KvDeleted KvExpired
        ServiceUp ServiceDown ModuleChanged CommandChanged""",
    "Errors": """
        DSkityError InvalidInput InvalidTopic InvalidPayload InvalidHandler InvalidSettings
        Unauthenticated Forbidden NotFound NoResponder Conflict TooLarge Unsupported Unavailable
        NotConnected StoreUnavailable Overloaded OutboxFull BrokerRefused RequestTimeout
        RemoteError EngineError StateUnusable ModuleFailed""",
}
"""Heading → the names below it, in their order on the page."""

MADE_BY_US = {"Bus", "MessageStream", "Subscription", "TransportClients"}
"""No other code constructs one."""
FOR_USERS = {
    "Bus": """publish send emit request reply subscribe use middleware stream connection
        connected capabilities client_id""",
    "MessageStream": "",
    "Subscription": "cancel renew filter shared",
    "TransportClients": "provide get find all kv registry commands http_client get_logger",
}
"""What is public of a class that has more than that."""

INTRODUCTION = """
`from dskity import …` gives these names, and `dskity.__version__`. They change with the major
version only. Everything else, except `dskity.testing` and `dskity.bootstrap`, is internal.
Durations are in seconds, times are Unix seconds, sizes are bytes. Each example runs unchanged:
`python -m examples.api.a_bus`, from a checkout.
"""


def render() -> str:
    """The whole page; every name of `dskity.__all__` stands on it once."""
    names = [name for group in NAMES.values() for name in group.split()]
    if sorted([*names, "__version__"]) != sorted(dskity.__all__):
        odd = set(names) ^ (set(dskity.__all__) - {"__version__"})
        raise ValueError(f"scripts/reference/python.py and dskity.__all__ differ by {odd}")
    return page("Python", INTRODUCTION, *(_group(title) for title in GROUPS))


def _group(title: str) -> str:
    code = (EXAMPLES / f"{GROUPS[title]}.py").read_text(encoding="utf-8").strip()
    parts = [f"## {title}", f"```python\n{code}\n```"]
    return "\n\n".join(
        [*parts, *(_entry(name, getattr(dskity, name)) for name in NAMES[title].split())]
    )


def _entry(name: str, thing: Any) -> str:
    parts = [f"### {name}", _signature(name, thing), _doc(thing)]
    if inspect.isclass(thing) and not issubclass(thing, dskity.DSkitySettings):
        parts += [_member(member, value) for member, value in _members(thing)]
    return "\n\n".join(filter(None, parts))


def _signature(name: str, thing: Any) -> str:
    if inspect.isclass(thing):
        if issubclass(thing, dskity.DSkitySettings):
            return "Its fields are the [settings](settings.md)."
        if name in MADE_BY_US or getattr(thing, "_is_protocol", False):
            return ""
        bases = [base.__name__ for base in thing.__bases__ if base is not object]
        if issubclass(thing, Exception) and "__init__" not in vars(thing):
            return f"```text\nclass {name}({', '.join(bases)})\n```"
    return f"```text\n{name}{_parameters(thing)}\n```"


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """Its own properties and methods; fields are shown by the signature."""
    for name in FOR_USERS.get(cls.__name__, " ".join(sorted(vars(cls)))).split():
        value = inspect.getattr_static(cls, name)
        told = isinstance(value, property) or inspect.isroutine(getattr(cls, name))
        if told and not name.startswith("_"):
            yield name, value


def _member(name: str, value: Any) -> str:
    if isinstance(value, property):
        title = f"`{name}`"
    else:
        title = f"`{_kind(value)}{name}{_parameters(value)}`"
    return f"- {title}\n\n" + _indented(_doc(value))


def _kind(value: Any) -> str:
    function = inspect.unwrap(getattr(value, "__func__", value))
    return "async " if inspect.iscoroutinefunction(function) else ""


def _parameters(thing: Any) -> str:
    signature = inspect.signature(getattr(thing, "__func__", thing))
    own = [p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
    text = _ANNOTATION.sub(r"\1\2", str(signature.replace(parameters=own)))
    return (
        text.replace("<factory>", "…").removesuffix(" -> None") if inspect.isclass(thing) else text
    )


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
