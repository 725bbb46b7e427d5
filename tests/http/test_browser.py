"""Web pages at the door, in a real browser: those of other origins get nowhere without a token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from dskity.modules.access.security import Guard
from dskity.modules.http import create_app
from dskity.modules.http.guard import OpenPath
from tests.http.browser import browsing, page_at
from tests.http.conftest import Door, serving

PAGE = """<!doctype html><title>A page</title><img alt="">
<iframe name="frame"></iframe><script>
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

function seen(path) {
  const image = document.querySelector("img");
  return new Promise((done) => {
    image.onload = image.onerror = () => done("asked");
    image.src = door + path;
  });
}

(async () => {
  const heard = {
    image: await seen("/calls/image"),
    get: await tried("/calls/get", {mode: "no-cors"}),
    read: await tried("/kv/plan"),
    publish: await tried("/topics/vents/1", {method: "POST", body: "open"}),
    blind: await tried("/topics/vents/2", {method: "POST", body: "open", mode: "no-cors"}),
    write: await tried("/kv/plan", {method: "PUT", headers: json, body: '{"value": "theirs"}'}),
    form: await sent("/topics/vents/3"),
  };
  await fetch("/heard", {method: "POST", body: JSON.stringify(heard)});
})();
</script>"""


ITS_OWN = (OpenPath("/page"), OpenPath("/heard", frozenset({"POST"})))


class Page:
    """`/page` of an app, which calls the door at a URL, or the one that it comes from.

    `heard` is what became of each call, once all are made; `calls` are those of `/calls/{name}`.
    """

    def __init__(self, app: FastAPI, door: str = "") -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.calls: list[str] = []
        self._text = PAGE.replace("DOOR", door)
        app.get("/page", response_class=HTMLResponse)(self._page)
        app.get("/calls/{name}")(self._call)
        app.post("/heard")(self._hear)

    async def _page(self) -> str:
        return self._text

    async def _call(self, name: str) -> None:
        self.calls.append(name)

    async def _hear(self, request: Request) -> None:
        self.heard.put_nowait(await request.json())


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
async def test_a_page_of_another_origin_gets_nowhere(door: Door, host: str, tmp_path: Path) -> None:
    """It runs on this very machine, but somebody else wrote it: nothing that it tries gets in."""
    await door.client.put("/kv/plan", json={"value": "ours"})
    messages = await door.received("vents/#")
    behind = Page(door.app)
    foreign = create_app("Elsewhere", Guard(), open_paths=ITS_OWN)
    page = Page(foreign, str(door.client.base_url))
    async with serving(foreign) as other:
        url = f"http://{host}:{other.port}/page"
        async with browsing(url, tmp_path, hosts="MAP evil.example 127.0.0.1"):
            assert await page.heard.get() == {
                "image": "asked",
                "get": "opaque",
                "read": "TypeError",
                "publish": "TypeError",
                "blind": "opaque",
                "write": "TypeError",
                "form": "loaded",
            }
    assert (behind.calls, messages) == ([], [])
    assert (await door.client.get("/kv/plan")).json()["value"] == "ours"


async def test_a_page_of_the_door_itself_may_call_it(door: Door, tmp_path: Path) -> None:
    """One that a module serves: the same calls, no token, and all of them arrive."""
    await door.client.put("/kv/plan", json={"value": "ours"})
    messages = await door.received("vents/#")
    page = Page(door.app)
    async with browsing(f"{door.client.base_url}/page", tmp_path):
        assert await page.heard.get() == {
            "image": "asked",
            "get": 200,
            "read": 200,
            "publish": 202,
            "blind": 202,
            "write": 200,
            "form": "loaded",
        }
    assert page.calls == ["image", "get"]
    assert [message.topic for message in messages] == ["vents/1", "vents/2", "vents/3"]
    assert (await door.client.get("/kv/plan")).json()["value"] == "theirs"


@pytest.mark.parametrize(("name", "passes"), [("localhost", True), ("rebound.example", False)])
async def test_a_name_that_was_rebound_to_this_machine_is_not_this_machine(
    door: Door, tmp_path: Path, name: str, passes: bool
) -> None:
    """To the browser a page there is of the same origin; the door sees whom it asked for."""
    await door.services.register("climate", "greenhouse-1", "http://10.0.0.7:8000")
    url = f"http://{name}:{door.server.port}/_core/services"
    page = await page_at(url, tmp_path, f"MAP {name} 127.0.0.1")
    assert ("<td>climate</td>" in page) is passes
    assert ("a token is needed" in page) is not passes
