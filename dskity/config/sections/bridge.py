"""`bridge`: which messages go from one broker to another."""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from dskity.bus.errors import InvalidInput
from dskity.bus.topics import parse
from dskity.config.nearest import fix
from dskity.config.sections.connections import DEFAULT
from dskity.config.sections.section import Section
from dskity.modules.bridge.loops import refuse_loops
from dskity.modules.bridge.rule import Rule, check_levels


def _filter(text: str) -> str:
    parse(text)
    return text


def _levels(text: str) -> str:
    return check_levels(text) if text else text


class BridgeSettings(Section):
    """One rule: messages of one connection that are published on another."""

    source: str = Field(alias="from")
    """Connection to take messages from: a name under `mqtt`, or default for `common.mqtt`."""
    to: str
    """Connection to publish the messages to."""
    filter: Annotated[str, AfterValidator(_filter)]
    """MQTT filter of the messages to forward."""
    prefix: Annotated[str, AfterValidator(_levels)] = ""
    """Levels to add at the start of the topic."""
    strip: Annotated[str, AfterValidator(_levels)] = ""
    """Levels to remove from the start of the topic, before `prefix` is added."""
    qos: Literal[0, 1, 2] = 1
    """QoS of the subscription, the highest that is forwarded."""
    retain: bool | None = None
    """Retain flag of the forwarded message; null: as received."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.rule()
        return self

    def rule(self) -> Rule:
        """The same as what the bridge takes."""
        return Rule(
            self.source, self.to, self.filter, self.prefix, self.strip, self.qos, self.retain
        )


def check_bridge(rules: Sequence[BridgeSettings], connections: Collection[str]) -> None:
    """`ValidationError` where a rule names no connection, or where rules make a loop."""
    known = {DEFAULT, *connections}
    faults = [fault for index, rule in enumerate(rules) for fault in _unknown(index, rule, known)]
    if not faults:
        try:
            refuse_loops([rule.rule() for rule in rules])
        except InvalidInput as error:
            faults = [_fault((), None, str(error))]
    if faults:
        raise ValidationError.from_exception_data("bridge", faults)


def _unknown(
    index: int, rule: BridgeSettings, known: Collection[str]
) -> Iterator[InitErrorDetails]:
    for key, name in (("from", rule.source), ("to", rule.to)):
        if name not in known:
            yield _fault((index, key), name, f"no such connection; {fix(name, known)}")


def _fault(loc: tuple[int | str, ...], value: object, text: str) -> InitErrorDetails:
    error = PydanticCustomError("bridge", "{text}", {"text": text})
    return InitErrorDetails(type=error, loc=loc, input=value)
