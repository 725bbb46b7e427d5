"""All sources of webhooks by name: those of our presets, and of presets that modules provide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from dskity.bus.errors import InvalidSettings, NotFound, Unavailable
from dskity.modules.webhooks.options import WebhookOptions
from dskity.modules.webhooks.presets import PRESETS, WebhookPreset
from dskity.modules.webhooks.source import Source

_LIKENESS = 0.8  # of 1; `gitbub` has 0.83 of `github`, `gitlab` 0.67, `gitea` 0.55
Provided = Callable[[], Mapping[str, WebhookPreset]]


class Sources:
    """Bad options of our presets, and a name that is nearly that of one, raise `InvalidSettings` at
    once.

    A preset of a module is looked for at each delivery, as the module may start later, stop, and
    start again; `provided` tells what there is now.
    """

    def __init__(self, options: Mapping[str, WebhookOptions]) -> None:
        self._ours = {
            name: Source.of(name, each)
            for name, each in options.items()
            if get_close_matches(each.preset, PRESETS, n=1, cutoff=_LIKENESS)
        }
        self._others = {name: each for name, each in options.items() if name not in self._ours}
        self._made: dict[str, tuple[WebhookPreset, Source]] = {}
        self.provided: Provided = dict
        self.longest_window = max((o.dedupe_window_seconds for o in options.values()), default=0.0)
        """Seconds for which ids of deliveries must be kept."""

    def get(self, name: str) -> Source:
        """The source; `NotFound` where there is none of the name, and `Unavailable` where no module
        provides its preset, or its options are wrong for that."""
        if name in self._ours:
            return self._ours[name]
        if name not in self._others:
            raise NotFound(f"no webhook source {name!r}")
        options = self._others[name]
        preset = self.provided().get(options.preset)
        if preset is None:
            raise Unavailable(
                f"webhooks.{name}.preset: {options.preset!r}: there are {', '.join(PRESETS)}, and "
                "no module provides one of that name"
            )
        made = self._made.get(name)
        if made is None or made[0] is not preset:
            made = self._made[name] = (preset, _source(name, options, preset))
        return made[1]

    def check(self) -> None:
        """For readiness: raises the first reason why a source cannot take deliveries."""
        for name in self._others:
            self.get(name)


def _source(name: str, options: WebhookOptions, preset: WebhookPreset) -> Source:
    try:
        return Source.of(name, options, preset)
    except InvalidSettings as error:  # it is not the sender's fault, who tries again
        raise Unavailable(str(error)) from error
