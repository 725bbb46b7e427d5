from __future__ import annotations

from tests.http.conftest import Door


async def test_live_services_are_listed_for_programs(door: Door) -> None:
    """All of them, and one by one."""
    await door.services.register("climate", "i1", "http://127.0.0.1:1", {"version": "2"})
    instance = {
        "service": "climate",
        "instance": "i1",
        "url": "http://127.0.0.1:1",
        "metadata": {"version": "2"},
        "kind": "service",
        "ttl_seconds": 60.0,
        "registered_at": 0.0,
        "last_seen": 0.0,
    }
    everything = await door.client.get("/_core/services.json")
    assert everything.json() == {"services": {"climate": [instance]}}
    one = await door.client.get("/_core/services/climate.json")
    assert one.json() == {"service": "climate", "instances": [instance]}


async def test_a_service_without_live_instances_is_404(door: Door) -> None:
    """Whether it ever lived or not."""
    response = await door.client.get("/_core/services/gone.json")
    assert response.status_code == 404


async def test_the_page_for_people_is_html_and_escapes(door: Door) -> None:
    """A service can choose its name; it cannot put a script into the page."""
    await door.services.register("<script>", "i1", "http://a&b")
    response = await door.client.get("/_core/services")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in response.text
    assert "<td>&lt;script&gt;</td>" in response.text
