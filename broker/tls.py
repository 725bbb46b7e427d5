"""TLS contexts for connections to a broker, and what to do when one is refused."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from dskity.bus.errors import InvalidSettings


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`common.mqtt.tls.*`. Without a `ca_file` the machine's trusted authorities decide.

    `insecure` accepts any certificate of any host: for a first try on a bench, never in production.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """The context of one connection; it reads the files, so that renewed ones are taken up."""
    if tls.key_file is not None and tls.cert_file is None:
        raise InvalidSettings("common.mqtt.tls.key_file needs common.mqtt.tls.cert_file beside it")
    context = _trusting(tls.ca_file)
    if tls.cert_file is not None:
        _identify(context, tls.cert_file, tls.key_file)
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettings(
            f"common.mqtt.tls.ca_file {ca_file!r}: {_text(error)}; it must be a readable PEM file"
        ) from error


def _identify(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    try:
        context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettings(
            f"common.mqtt.tls.cert_file {cert_file!r} with key_file {key_file!r}: {_text(error)}; "
            "both must be readable PEM files and belong together"
        ) from error


def explain(error: ssl.SSLError) -> str:
    """Why a handshake failed, and the setting that fixes it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the broker's certificate is not trusted ({error.verify_message}): set "
            "common.mqtt.tls.ca_file to the authority that signed it, and use the host "
            "name in it"
        )
    if error.reason == "WRONG_VERSION_NUMBER":
        return "the broker does not speak TLS on this port: use mqtt:// or the TLS port"
    return (
        f"the TLS handshake failed ({_text(error)}): where the broker wants a client "
        "certificate, set common.mqtt.tls.cert_file and common.mqtt.tls.key_file"
    )


def _text(error: OSError) -> str:
    return error.strerror or str(error)
