from __future__ import annotations

from tests.http.conftest import Door


async def test_the_root_tells_the_service_and_its_enabled_modules(door: Door) -> None:
    """As the seed promises."""
    response = await door.client.get("/")
    assert response.status_code == 200
    assert response.json() == {"service": "Greenhouse", "enabled_modules": ["climate", "vents"]}
