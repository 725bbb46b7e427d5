"""A GitHub that posts the webhook of a release, signed as GitHub signs."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx


async def post_release(http: httpx.AsyncClient, tag: str, secret: str) -> int:
    """Tell the webhook source `github` that `tag` is published; the status of the answer."""
    body = json.dumps({"action": "published", "release": {"tag_name": tag}}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": "release",
        "x-github-delivery": f"release-{tag}",
        "x-hub-signature-256": f"sha256={signature}",
    }
    response = await http.post("/webhooks/github", content=body, headers=headers)
    return response.status_code
