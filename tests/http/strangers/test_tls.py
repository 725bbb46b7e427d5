from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dskity.bus.errors import EngineError
from dskity.modules.access.security import Guard
from dskity.modules.access.server_tls import ServerTls
from dskity.modules.http import HttpServer, create_app
from tests.http.conftest import serving


def certificate(folder: Path) -> ServerTls:
    """A self-signed certificate for 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return ServerTls(folder / "cert.pem", folder / "key.pem")


async def test_the_door_speaks_tls_and_can_demand_client_certificates(tmp_path: Path) -> None:
    """Those of an authority that the settings name."""
    tls = certificate(tmp_path)
    app = create_app("t", Guard(loopback_open=True))
    trusting = ssl.create_default_context(cafile=str(tls.cert_file))
    async with serving(app, tls=tls) as server:
        base = f"https://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, verify=trusting) as client:
            assert (await client.get("/openapi.json")).status_code == 200

    strict = ServerTls(tls.cert_file, tls.key_file, client_ca_file=tls.cert_file)
    known = ssl.create_default_context(cafile=str(tls.cert_file))
    known.load_cert_chain(tls.cert_file, tls.key_file)
    async with serving(app, tls=strict) as server:
        base = f"https://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, verify=known) as client:
            assert (await client.get("/openapi.json")).status_code == 200
        async with httpx.AsyncClient(base_url=base, verify=trusting) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/openapi.json")


async def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """With the setting that names them."""
    tls = ServerTls(tmp_path / "none.pem", tmp_path / "none.key")
    with pytest.raises(EngineError, match=r"No such file.*files: \S+/none\.pem, \S+none\.key$"):
        await HttpServer(create_app("t", Guard()), "127.0.0.1", 0, tls=tls).start()
