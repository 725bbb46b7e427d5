"""Web pages at our broker's WebSocket, in a real browser: one that nobody listed gets nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from dskity.broker.engines.engine import choose_engine
from dskity.broker.engines.listen import Listen, check_free
from dskity.broker.engines.origin import Origins
from dskity.broker.users import hash_password
from dskity.bus.errors import InvalidSettings
from dskity.config import DSkitySettings
from dskity.modules.access.security import Guard
from dskity.modules.http import HttpServer, create_app
from dskity.modules.http.guard import OpenPath
from tests.engines.device import device
from tests.engines.test_embedded import built_in
from tests.engines.test_mosquitto import managed
from tests.http.browser import browsing

PAGE = """<!doctype html><title>A page</title><script>
// An MQTT 3.1.1 CONNECT of the client "page", without a password.
const connect = new Uint8Array(
  [16, 16, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 4, 112, 97, 103, 101]);
const tell = (heard) => fetch("/heard", {method: "POST", body: JSON.stringify(heard)});
const socket = new WebSocket("ws://HOST:PORT/mqtt", "mqtt");
socket.binaryType = "arraybuffer";
socket.onopen = () => socket.send(connect);
socket.onmessage = (message) => tell({connack: new Uint8Array(message.data)[3]});
socket.onerror = () => tell({refused: true});
</script>"""
ITS_OWN = (OpenPath("/page"), OpenPath("/heard", frozenset({"POST"})))


async def heard_by_a_page(
    folder: Path, port: int, host: str = "127.0.0.1", *, at: str = "127.0.0.1", own: int = 0
) -> dict[str, Any]:
    """What comes of it when a page from `at` connects to the broker at `host`."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    app = create_app("Elsewhere", Guard(), open_paths=ITS_OWN)

    async def page() -> str:
        return PAGE.replace("HOST", host).replace("PORT", str(port))

    async def hear(request: Request) -> None:
        heard.put_nowait(await request.json())

    _add(app, page, hear)
    server = HttpServer(app, "127.0.0.1", own)
    await server.start()
    try:
        url = f"http://{at}:{server.port}/page"
        async with browsing(url, folder, hosts="MAP evil.example 127.0.0.1"), asyncio.timeout(30):
            return await heard.get()
    finally:
        await server.stop(grace=1.0)


def _add(app: FastAPI, page: Any, hear: Any) -> None:
    app.get("/page", response_class=HTMLResponse)(page)
    app.post("/heard")(hear)


async def test_a_page_of_a_foreign_origin_cannot_connect(tmp_path: Path) -> None:
    """Of another name, or of another port of this machine."""
    async with built_in(Listen(port=0, websocket_port=0)) as (engine, _):
        assert engine.websocket_port
        for number, at in enumerate(("127.0.0.1", "evil.example")):
            folder = tmp_path / str(number)
            assert await heard_by_a_page(folder, engine.websocket_port, at=at) == {"refused": True}


async def test_a_page_whose_name_was_rebound_to_this_machine_cannot_connect(tmp_path: Path) -> None:
    """It is of the broker's own origin, by its name; the host is not this machine's."""
    async with built_in(Listen(port=0, websocket_port=0)) as (engine, _):
        assert engine.websocket_port
        heard = await heard_by_a_page(
            tmp_path, engine.websocket_port, "evil.example", at="evil.example"
        )
        assert heard == {"refused": True}


async def test_a_page_that_is_listed_may_connect(tmp_path: Path) -> None:
    """By scheme, host and port."""
    own = check_free("127.0.0.1", 0, "a test")
    listed = (f"http://127.0.0.1:{own}",)
    listen = Listen(port=0, websocket_port=0, websocket_origins=listed)
    async with built_in(listen) as (engine, _):
        assert engine.websocket_port
        assert await heard_by_a_page(tmp_path, engine.websocket_port, own=own) == {"connack": 0}


async def test_at_mosquitto_a_page_without_a_password_cannot_connect(tmp_path: Path) -> None:
    """mosquitto takes its handshake, and refuses its CONNECT: bad user name or password."""
    users = tmp_path / "users"
    users.write_text(f"me:{hash_password('hush')}\n")
    listen = Listen(port=0, websocket_port=0, users_file=users)
    async with managed(tmp_path, listen) as (engine, _):
        assert engine.websocket_port
        heard = await heard_by_a_page(tmp_path / "page", engine.websocket_port)
        assert heard["connack"] in {4, 5}
        me = ("me", "hush")
        async with device(engine.websocket_port, transport="websockets", user=me) as browser:
            assert await browser.subscribe("a") == 1


@pytest.mark.parametrize("name", ["mosquitto", "rumqttd"])
def test_an_engine_that_looks_at_no_origin_opens_no_websocket_without_users(
    tmp_path: Path, name: Any
) -> None:
    """The error says what to do; so does the one on a list of origins that it would not keep to."""

    def choose(listen: Listen) -> Any:
        return choose_engine(name, None, listen=listen, state_dir=tmp_path, find=lambda: "/m")

    with pytest.raises(
        InvalidSettings, match=rf"with {name}.*set broker\.engine to builtin, or to mosquitto with"
    ):
        choose(Listen(websocket_port=9001))
    with pytest.raises(InvalidSettings, match=r"websocket_origins.*broker\.engine to builtin"):
        choose(Listen(websocket_origins=("http://box:8000",)))
    assert choose(Listen()).name == name
    if name == "mosquitto":
        users = tmp_path / "users"
        assert choose(Listen(websocket_port=9001, users_file=users)).name == name


@pytest.mark.parametrize(
    ("origins", "host", "taken"),
    [
        ([], "127.0.0.1:9001", True),
        ([], "localhost:9001", True),
        ([], "[::1]:9001", True),
        ([], "evil.example:9001", False),
        ([], "[::1", False),
        ([], None, False),
        (["http://box:8000"], "127.0.0.1:9001", True),
        (["HTTP://BOX:8000"], "127.0.0.1:9001", True),
        (["http://box:8000", "http://evil.example"], "127.0.0.1:9001", False),
        (["http://box"], "127.0.0.1:9001", False),
        (["null"], "127.0.0.1:9001", False),
        (["https://127.0.0.1:9001"], "127.0.0.1:9001", True),
        (["https://evil.example:9001"], "evil.example:9001", False),
        (["https://evil.example"], "127.0.0.1:9001", False),
    ],
)
def test_which_handshakes_are_taken(origins: list[str], host: str | None, taken: bool) -> None:
    """Without users: of listed pages, and of programs that ask for this machine."""
    rule = Origins(Listen(websocket_origins=("http://box:8000",)))
    assert (rule.refusal(origins, host) is None) is taken


def test_with_users_a_program_may_use_any_name_of_the_broker(tmp_path: Path) -> None:
    """It has a password, which no page has."""
    rule = Origins(Listen("0.0.0.0", users_file=tmp_path / "users"))  # users are set
    assert rule.refusal([], "broker.plant:9001") is None
    assert rule.refusal(["https://broker.plant:9001"], "broker.plant:9001") is None
    assert rule.refusal(["https://evil.example"], "broker.plant:9001") is not None


@pytest.mark.parametrize("wrong", ["*", "box:8000", "http://box:8000/", "ws://box", "null"])
def test_an_origin_is_a_scheme_a_host_and_a_port(wrong: str) -> None:
    """Else no page would ever match it."""
    with pytest.raises(InvalidSettings, match="as in http://box:8000"):
        DSkitySettings.isolated(broker={"websocket_origins": [wrong]})


def test_a_list_of_origins_without_a_port_has_no_effect_and_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="no effect without websocket_port"):
        DSkitySettings.isolated(broker={"websocket_origins": ["http://box:8000"]})
