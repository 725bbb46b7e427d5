"""Web pages at the door, in a real browser: those of other origins get nowhere without a token."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse

from dskity.modules.http import create_app
from tests.http.browser import page_after
from tests.http.conftest import LOOPBACK, Door, open_door, serving

PAGE = """<!doctype html><title>A page</title><pre></pre><iframe name="frame"></iframe><script>
const door = "DOOR";
const json = {"content-type": "application/json"};

async function tried(path, options) {
  try {
    const answer = await fetch(door + path, options);
    return answer.type === "opaque" ? "opaque" : answer.status;
  } catch (error) {
    return error.name;
  }
}

function sent(path) {
  const form = document.createElement("form");
  Object.assign(form, {action: door + path, method: "post", enctype: "text/plain"});
  form.target = "frame";
  document.body.append(form);
  return new Promise((done) => {
    document.querySelector("iframe").onload = () => done("loaded");
    form.submit();
  });
}

(async () => {
  const heard = {
    read: await tried("/kv/plan"),
    publish: await tried("/topics/vents/1", {method: "POST", body: "open"}),
    blind: await tried("/topics/vents/2", {method: "POST", body: "open", mode: "no-cors"}),
    write: await tried("/kv/plan", {method: "PUT", headers: json, body: '{"value": "theirs"}'}),
    form: await sent("/topics/vents/3"),
  };
  document.querySelector("pre").textContent = JSON.stringify(heard);
})();
</script>"""


def heard(page: str) -> dict[str, Any]:
    """What the page's script wrote down."""
    written = re.search("<pre>(.+?)</pre>", page)
    assert written is not None, page
    return dict(json.loads(html.unescape(written[1])))


def with_page(app: FastAPI, door: str = "") -> None:
    """`/page` of an app, which calls the door at a URL, or the one that it comes from."""

    @app.get("/page", response_class=HTMLResponse)
    async def page() -> str:
        return PAGE.replace("DOOR", door)


async def test_a_page_of_another_origin_gets_nowhere(door: Door, tmp_path: Path) -> None:
    """It runs on this very machine, but somebody else wrote it: neither fetch nor form gets in."""
    await door.client.put("/kv/plan", json={"value": "ours"})
    messages = await door.received("vents/#")
    foreign = create_app("Elsewhere", LOOPBACK)
    with_page(foreign, str(door.client.base_url))
    async with serving(foreign) as other:
        page = await page_after(f"http://127.0.0.1:{other.port}/page", tmp_path)
    assert heard(page) == {
        "read": "TypeError",
        "publish": "TypeError",
        "blind": "opaque",
        "write": "TypeError",
        "form": "loaded",
    }
    assert messages == []
    assert (await door.client.get("/kv/plan")).json()["value"] == "ours"


async def test_a_page_of_the_door_itself_may_call_it(tmp_path: Path) -> None:
    """One that a module serves: the same calls, no token, and all of them arrive."""
    async with open_door(prepare=with_page) as door:
        await door.client.put("/kv/plan", json={"value": "ours"})
        messages = await door.received("vents/#")
        page = await page_after(f"{door.client.base_url}/page", tmp_path)
        assert heard(page) == {
            "read": 200,
            "publish": 202,
            "blind": 202,
            "write": 200,
            "form": "loaded",
        }
        assert [message.topic for message in messages] == ["vents/1", "vents/2", "vents/3"]
        assert (await door.client.get("/kv/plan")).json()["value"] == "theirs"


@pytest.mark.parametrize(("name", "passes"), [("localhost", True), ("rebound.example", False)])
async def test_a_name_that_was_rebound_to_this_machine_is_not_this_machine(
    door: Door, tmp_path: Path, name: str, passes: bool
) -> None:
    """To the browser a page there is of the same origin; the door sees whom it asked for."""
    await door.services.register("climate", "greenhouse-1", "http://10.0.0.7:8000")
    url = f"http://{name}:{door.server.port}/_core/services"
    page = await page_after(url, tmp_path, f"MAP {name} 127.0.0.1")
    assert ("<td>climate</td>" in page) is passes
    assert ("a token is needed" in page) is not passes
