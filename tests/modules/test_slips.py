"""What looks like the contract in a module, and is not."""

from __future__ import annotations

from typing import Any

import pytest

from dskity.bus.errors import InvalidInput
from dskity.modules import Message, Module, ModuleMeta, on
from dskity.modules.lifecycle.shape import meta_of
from dskity.modules.lifecycle.slips import slips
from tests.modules.conftest import Folder, staged


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("on_start", "on_startup"),
        ("on_strartup", "on_startup"),
        ("startup", "on_startup"),
        ("on_stop", "on_shutdown"),
        ("on_shut_down", "on_shutdown"),
        ("registers", "register"),
        ("additional_setting_model", "additional_settings_model"),
    ],
)
def test_a_method_that_is_nearly_a_hook_is_named(name: str, hook: str) -> None:
    """With the line, and the right spelling."""

    def method(self: Any, clients: Any) -> None: ...

    (line,) = slips(type("Odd", (Module,), {name: method})())
    assert line.endswith(f": `{name}` is never called; did you mean `{hook}`?")
    assert "test_slips.py:" in line


class Both(Module):
    """It calls the one from the other."""

    async def on_startup(self, clients: Any) -> None:
        await self.on_start()

    async def on_start(self) -> None: ...

    def start(self) -> None: ...

    def _startup(self) -> None: ...

    @on("stop")
    async def on_stop(self, message: Message) -> None: ...


def test_a_method_that_is_called_is_not() -> None:
    """By the hook of the right name, or by a message; nor is one that is private."""
    assert slips(Both()) == []
    assert slips(Module()) == []


def test_a_base_path_without_a_slash_is_refused() -> None:
    """No route would be there."""

    class Bad(Module):
        meta = ModuleMeta("bad", "bad/path")

    with pytest.raises(InvalidInput, match="begin it with a slash: '/bad/path'"):
        meta_of(Bad())


SHADOWED = """
    from fastapi import APIRouter
    from dskity.modules import Module, ModuleMeta

    class First(Module):
        meta = ModuleMeta("first", "/first")

        def register(self, clients, config):
            clients.http.add_api_route("/keys/{key:path}", lambda key: 1)
            clients.http.add_api_route("/first/{one}", lambda one: 1, methods=["POST"])

    class Second(Module):
        meta = ModuleMeta("second", "/second", depends_on=("first",))

        def register(self, clients, config):
            clients.http.add_api_route("/keys/{a}/{b}", lambda a, b: 1)
            clients.http.add_api_route("/first/{one}", lambda one: 1)
            clients.http.add_api_route("/second/{one}", lambda one: 1)
            router = APIRouter(prefix="/keys")
            router.add_api_route("/inner", lambda: 1)
            router.add_api_route("/outer", lambda: 1, methods=["POST"])
            clients.http.include_router(router)
"""


async def test_a_route_whose_calls_an_earlier_one_takes_is_named(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the same method only; also one of a router that the module includes."""
    folder.write("two.py", SHADOWED)
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert stage.supervisor.states()["second"].state == "started"
    lines = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert lines == [
        f"module second: GET {path} is never reached: /keys/{{key:path}} takes its calls; begin "
        "the path with the module's own base_path, /second"
        for path in ("/keys/{a}/{b}", "/keys/inner")
    ]


async def test_a_hook_under_another_name_is_told_at_the_start(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """The module runs all the same."""
    folder.write(
        "odd.py",
        """
        from dskity.modules import Module, ModuleMeta

        class Odd(Module):
            meta = ModuleMeta("odd")

            async def on_start(self, clients): ...
        """,
    )
    async with staged(folder.path) as stage:
        await stage.supervisor.start()
        assert stage.supervisor.states()["odd"].state == "started"
    assert "odd.py:7: `on_start` is never called; did you mean `on_startup`?" in caplog.text
