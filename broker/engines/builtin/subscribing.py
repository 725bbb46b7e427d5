"""SUBSCRIBE and UNSUBSCRIBE, and what is answered to them."""

from __future__ import annotations

from dskity.broker.engines.builtin.server import Server
from dskity.broker.packets import answers
from dskity.broker.packets.forwarded import MOST_LEVELS, Forwarded
from dskity.broker.packets.requests import Wanted, read_subscribe, read_unsubscribe
from dskity.broker.packets.values import Malformed
from dskity.bus import topics
from dskity.bus.sessions.session import Session

_FILTER_INVALID, _QUOTA, _PROTOCOL_ERROR, _NONE_THERE = 0x8F, 0x97, 0x82, 0x11
_NEVER, _IF_NEW = 2, 1


def subscribe(server: Server, session: Session[Forwarded], body: bytes, *, five: bool) -> bytes:
    """The SUBACK; what is retained for the filters follows it, by the session."""
    mid, identifier, wanted = read_subscribe(body, five=five)
    if any(one.no_local and topics.split_share(one.filter)[0] is not None for one in wanted):
        raise Malformed("a shared subscription with No Local", _PROTOCOL_ERROR)  # [MQTT-3.8.3-4]
    codes = [_add(server, session, one, (identifier,) if identifier else ()) for one in wanted]
    return answers.suback(mid, codes, five=five)


def _add(
    server: Server, session: Session[Forwarded], wanted: Wanted, identifiers: tuple[int, ...]
) -> int:
    """The reason code: the QoS that is granted, or why not."""
    filter = wanted.filter
    if not topics.is_filter(filter) or filter.count("/") > MOST_LEVELS:
        return _FILTER_INVALID
    known = ("intake", filter) in session.subs
    if not known and (
        len(session.subs) >= server.rules.max_filters
        or server.core.filters_size >= server.rules.max_filters_size
    ):
        return _QUOTA
    server.core.subscribe(
        session,
        filter,
        wanted.qos,
        identifiers,
        as_published=wanted.as_published,
        no_local=wanted.no_local,
        retained=wanted.handling != _NEVER and not (wanted.handling == _IF_NEW and known),
    )
    return wanted.qos


def unsubscribe(server: Server, session: Session[Forwarded], body: bytes, *, five: bool) -> bytes:
    """The UNSUBACK."""
    mid, filters = read_unsubscribe(body, five=five)
    codes = [0 if server.core.unsubscribe(session, one) else _NONE_THERE for one in filters]
    return answers.unsuback(mid, codes, five=five)
