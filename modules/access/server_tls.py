"""TLS of a server, HTTP's or gRPC's: where its PEM files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files: the certificate chain, its key, and, with `client_ca_file`, the authorities that
    sign the certificates which clients must then have."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def __str__(self) -> str:
        files = (self.cert_file, self.key_file, self.client_ca_file)
        return ", ".join(str(file) for file in files if file is not None)
