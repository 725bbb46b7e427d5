"""How each kind of sender signs. A preset is made of options, and verifies a request's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dskity.modules.webhooks.presets.github import GitHub
from dskity.modules.webhooks.presets.hmac_header import HmacHeader
from dskity.modules.webhooks.presets.preset import Delivered, Preset, WebhookPreset
from dskity.modules.webhooks.presets.slack import Slack
from dskity.modules.webhooks.presets.standard import Standard
from dskity.modules.webhooks.presets.stripe import Stripe
from dskity.modules.webhooks.presets.token_header import TokenHeader
from dskity.modules.webhooks.presets.unsigned import Unsigned

PRESETS: Mapping[str, WebhookPreset] = MappingProxyType(
    {
        "github": GitHub.of,
        "stripe": Stripe.of,
        "standard": Standard.of,
        "slack": Slack.of,
        "hmac": HmacHeader.of,
        "token": TokenHeader.of,
        "none": Unsigned.of,
    }
)

__all__ = ["PRESETS", "Delivered", "Preset", "WebhookPreset"]
