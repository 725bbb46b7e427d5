"""`hmac`: any sender that puts the HMAC of the body into a header."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dskity.bus.errors import InvalidSettings
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets.named import Named
from dskity.modules.webhooks.presets.preset import Delivered
from dskity.modules.webhooks.signature import check_any, macs

ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda mac: b64encode(mac).decode(),
}


@dataclass(frozen=True, slots=True)
class HmacHeader:
    """`header` holds `prefix` and the MAC, in `encoding`; hex may be in either case."""

    captures: ClassVar[tuple[str, ...]] = ()

    keys: tuple[bytes, ...] = field(repr=False)
    header: str
    algorithm: str
    encoding: str
    prefix: str
    named: Named

    @classmethod
    def of(cls, options: WebhookOptions) -> Self:
        """See `PRESETS`."""
        if options.algorithm not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise InvalidSettings(f"algorithm: {options.algorithm!r}: there are {known}")
        if options.encoding not in ENCODINGS:
            raise InvalidSettings(f"encoding: {options.encoding!r}: write hex or base64")
        return cls(
            options.signing_keys(),
            options.needed_header(),
            options.algorithm,
            options.encoding,
            options.prefix,
            Named.of(options),
        )

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> Delivered:
        """See `Preset`."""
        del now  # the scheme has no time
        given = headers.get(self.header, "")
        if self.encoding == "hex":
            given = given[: len(self.prefix)] + given[len(self.prefix) :].lower()
        wanted = macs(self.keys, body, self.algorithm, ENCODINGS[self.encoding])
        check_any((self.prefix + mac for mac in wanted), [given])
        return self.named.delivered(headers, body)
