"""Signing as each sender documents it, written apart from the code that verifies."""

from __future__ import annotations

import base64
import hashlib
import hmac

SECRET = "correct horse"
KEY = base64.b64encode(b"k" * 24).decode()
NOW = 1_700_000_000.0


def mac(key: bytes, signed: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, signed, getattr(hashlib, algorithm)).digest()


def github(
    body: bytes, secret: str = SECRET, event: str = "push", id: str = "d-1"
) -> dict[str, str]:
    return {
        "x-github-event": event,
        "x-github-delivery": id,
        "x-hub-signature-256": "sha256=" + mac(secret.encode(), body).hex(),
        "content-type": "application/json",
    }


def stripe(body: bytes, time: float = NOW, secret: str = SECRET) -> dict[str, str]:
    signed = f"{int(time)}.".encode() + body
    return {"stripe-signature": f"t={int(time)},v0=no,v1={mac(secret.encode(), signed).hex()}"}


def standard(body: bytes, time: float = NOW, key: str = KEY, id: str = "msg_1") -> dict[str, str]:
    signed = f"{id}.{int(time)}.".encode() + body
    signature = base64.b64encode(mac(base64.b64decode(key), signed)).decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(time)),
        "webhook-signature": f"v1a,other v1,{signature}",
    }


def slack(body: bytes, time: float = NOW, secret: str = SECRET) -> dict[str, str]:
    signed = f"v0:{int(time)}:".encode() + body
    return {
        "x-slack-request-timestamp": str(int(time)),
        "x-slack-signature": "v0=" + mac(secret.encode(), signed).hex(),
    }
