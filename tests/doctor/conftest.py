"""An examination by either client library, on real brokers."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from dskity.broker.findings import Examination
from dskity.broker.settings import ConnectionSettings
from tests.contract.house import TRANSPORTS
from tests.servers import HOST


class Examine(Protocol):
    async def __call__(self, port: int, **settings: Any) -> Examination: ...


@pytest.fixture(params=TRANSPORTS)
def examine(request: pytest.FixtureRequest) -> Examine:
    """What `MqttTransport.examine` says of the broker on a loopback port."""

    async def run(port: int, **settings: Any) -> Examination:
        given: dict[str, Any] = {"url": f"mqtt://{HOST}:{port}", "client_id": "examiner"}
        return await TRANSPORTS[request.param](ConnectionSettings(**(given | settings))).examine()

    return run


def verdicts(examination: Examination) -> dict[str, str]:
    """By name, without the details."""
    return {finding.name: finding.verdict for finding in examination.findings}
