"""TLS of the server, from PEM files."""

from __future__ import annotations

from pathlib import Path

import grpc

from dskity.bus.errors import InvalidSettings
from dskity.modules.access.server_tls import ServerTls


def credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """What grpc takes; with `client_ca_file` a client needs a certificate. Reads the files."""
    authorities = None if tls.client_ca_file is None else _read(tls.client_ca_file)
    return grpc.ssl_server_credentials(
        [(_read(tls.key_file), _read(tls.cert_file))],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSettings(f"grpc.tls: {path} cannot be read: {error.strerror}") from error
