"""What no path may hold."""

from __future__ import annotations

import pytest

from tests.http.conftest import Door


@pytest.mark.parametrize("path", ["/topics/a%0Ab", "/kv/a%0a", "/mine%0A", "/commands/d/g%0Ao"])
async def test_a_line_break_in_a_path_is_a_400_that_says_so(door: Door, path: str) -> None:
    """No route matches it, and 404 would send its caller looking for the wrong mistake."""
    response = await door.client.post(path, content=b"{}")
    assert response.status_code == 400
    assert "the control character U+000A" in response.json()["detail"]
