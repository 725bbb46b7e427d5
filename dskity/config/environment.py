"""`DSKITY_…` variables: which key each one means, in either spelling, none ignored.

`DSKITY_KV__REDIS__URL` is the form: `__` between keys. In the short form, `DSKITY_KV_REDIS_URL`, an
underscore may be part of a key or stand between two; it is accepted where the keys that exist leave
one reading. Names under `modules` and `webhooks` are the user's: those in the settings file
are known, and another is taken where what follows it is a declared key (`…_DATABASE_URL`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dskity.bus.errors import InvalidSettings
from dskity.config.decoding import decode
from dskity.config.faults import together
from dskity.config.layer import KeyPath, Layer
from dskity.config.nearest import nearest
from dskity.config.schema import ANYTHING, ENV_PREFIX, Node, env_name, leaves, node_at

RESERVED = {
    "DSKITY_REQUIRE_SERVICES": "makes the tests of DSkity fail, not skip, if a server is missing"
}
"""Variables of our own tooling, which are no settings."""


def read_variables(
    variables: Mapping[str, str], root: Node, known: Mapping[str, Any], source: str
) -> Layer:
    """The settings among `variables`; `known` are the values whose names under `modules` count."""
    layer = Layer()
    taken: dict[KeyPath, str] = {}
    names = [name for name in variables if name.upper().startswith(ENV_PREFIX)]
    paths = _resolve_all([n for n in names if n.upper() not in RESERVED], root, known, source)
    for name, path in sorted(paths.items(), key=lambda item: len(item[1])):
        if path in taken:
            key = ".".join(path)
            raise InvalidSettings(f"{source}s {taken[path]} and {name} both set {key}: keep one")
        taken[path] = name
        origin = f"{source} {name}"
        layer.put(path, decode(node_at(root, path), variables[name], origin), origin)
    return layer


def _resolve_all(
    names: Iterable[str], root: Node, known: Mapping[str, Any], source: str
) -> dict[str, KeyPath]:
    paths: dict[str, KeyPath] = {}
    faults: list[str] = []
    for name in names:
        try:
            paths[name] = resolve(name, root, known)
        except InvalidSettings as error:
            faults.append(f"{source} {error}")
    if faults:
        raise together(faults)
    return paths


def resolve(name: str, root: Node, known: Mapping[str, Any]) -> KeyPath:
    """The key path that a variable's name means; `InvalidSettings` for none or several."""
    rest = name[len(ENV_PREFIX) :].lower()
    strict = _strict(rest.split("__"), root, known)
    if strict is not None and not _is_new_name(strict, root, known):
        return strict
    readings = {reading.path: reading for reading in _readings(rest, root, known) if rest}
    if len(readings) == 1:
        return next(iter(readings))
    if readings:
        spellings = " or ".join(sorted(env_name(path) for path in readings))
        raise InvalidSettings(f"{name} can be read in {len(readings)} ways: write {spellings}")
    if strict is not None:
        return strict
    raise InvalidSettings(f"{name} is no setting{_hint(rest, root)}")


def _hint(rest: str, root: Node) -> str:
    if rest.startswith("modules_") and rest.count("_") > 1:
        return (
            ": put __ between the keys, as in DSKITY_MODULES__<NAME>__<KEY>, "
            "to separate the module's name from the key"
        )
    names = {"_".join(path).lower(): env_name(path) for path, _ in leaves(root)}
    meant = nearest(rest.replace("__", "_"), names)
    if meant is None:
        return "; docs/reference/settings.md lists all of them"
    return f"; did you mean {names[meant]}?"


def _is_new_name(path: KeyPath, root: Node, known: Mapping[str, Any]) -> bool:
    # DSKITY_MODULES__A_DATABASE_URL hardly means a module called a_database_url.
    *above, name = path
    if node_at(root, tuple(above)).each is None:
        return False
    for key in above:
        known = _below(known, key)
    return name not in known


def _spelled(key: str) -> str:
    return key.lower().replace("-", "_")


def _below(known: Any, key: str) -> Mapping[str, Any]:
    below = known.get(key) if isinstance(known, Mapping) else None
    return below if isinstance(below, Mapping) else {}


def _strict(segments: list[str], node: Node, known: Mapping[str, Any]) -> KeyPath | None:
    """The path where every segment is exactly one key."""
    if not segments:
        return ()
    segment = segments[0]
    if not segment:
        return None
    own = (key for key in known if _spelled(key) == segment)
    key = segment if segment in node.fields else next(own, segment)
    below = node.child(key)
    rest = None if below is None else _strict(segments[1:], below, _below(known, key))
    return None if rest is None else (key, *rest)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a name; `declared` says that its last key is in the schema."""

    path: KeyPath
    declared: bool = True

    def under(self, key: str) -> _Reading:
        return _Reading((key, *self.path), self.declared)


def _readings(rest: str, node: Node, known: Mapping[str, Any]) -> Iterator[_Reading]:
    """Every way to read what is left of a name below `node`."""
    if not rest:
        yield _Reading(())
        return
    if node is ANYTHING:
        yield from _free(rest, node, known, declared=True)
        return
    declared = list(_through(node.fields, rest, node, known))
    yield from declared
    if node.each is not None:
        yield from _named(rest, node, known)
    elif node.free and not declared:
        yield from _free(rest, node, known, declared=False)


def _free(rest: str, node: Node, known: Mapping[str, Any], *, declared: bool) -> Iterator[_Reading]:
    path = _strict(rest.split("__"), node, known)
    if path is not None:
        yield _Reading(path, declared)


def _through(
    keys: Mapping[str, Any], rest: str, node: Node, known: Mapping[str, Any]
) -> Iterator[_Reading]:
    for key in keys:
        tail = _tail(rest, _spelled(key))
        below = node.child(key)
        if tail is not None and below is not None:
            for reading in _readings(tail, below, _below(known, key)):
                yield reading.under(key)


def _named(rest: str, node: Node, known: Mapping[str, Any]) -> Iterator[_Reading]:
    named = list(_through(known, rest, node, known))
    yield from named
    if not any(reading.declared for reading in named):
        yield from _guessed(rest, node, {_spelled(key) for key in known})


def _guessed(rest: str, node: Node, known: set[str]) -> Iterator[_Reading]:
    """Readings with a name that is not mentioned, where a declared key follows it."""
    if node.each is None:
        return
    for index, character in enumerate(rest):
        name = rest[:index]
        if character != "_" or not name or name in known or name.endswith("_"):
            continue
        tail = _tail(rest, name)
        if tail:
            readings = _readings(tail, node.each, {})
            yield from (reading.under(name) for reading in readings if reading.declared)


def _tail(rest: str, key: str) -> str | None:
    """What follows `key` in `rest`; None where `rest` does not begin with this key."""
    if rest == key:
        return ""
    for joint in (f"{key}__", f"{key}_"):
        if rest.startswith(joint) and len(rest) > len(joint):
            return rest[len(joint) :]
    return None
