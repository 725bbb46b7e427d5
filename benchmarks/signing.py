"""A webhook as GitHub sends it."""

from __future__ import annotations

import hashlib
import hmac

SECRET = "a secret between two"


def delivery(body: bytes, id: str) -> dict[str, str]:
    """The headers of one delivery."""
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": id,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
