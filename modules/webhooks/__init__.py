"""Webhooks in: verified, recognised when they come again, safely on the bus, then 202.

Layout, lowest first:

    options.py   one source's settings as plain values
    signature.py MACs, freshness, and the one refusal that tells nothing
    presets/     how each kind of sender signs, and what it calls its deliveries
    template.py  the topic of a delivery          source.py options → preset and template
    sources.py   all of them, and those of presets that modules provide
    intake.py    verify, recognise, publish       module.py `POST /webhooks/{source}`
"""

from dskity.modules.webhooks.module import WebhooksModule
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets import PRESETS

__all__ = ["PRESETS", "WebhookOptions", "WebhooksModule"]
