"""A real browser, Chromium without a window."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

from tests.servers import program

OPTIONS = (
    "--headless",
    "--no-sandbox",  # CI is root, which the sandbox refuses
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have a small /dev/shm
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)


@contextlib.asynccontextmanager
async def browsing(
    url: str, folder: Path, *options: str, hosts: str = ""
) -> AsyncIterator[Process]:
    """It, with the page open for as long as the block lasts; its profile is in `folder`.

    No name is resolved but localhost and what `hosts` maps, such as `MAP evil.example 127.0.0.1`.
    """
    nowhere = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    browser = await asyncio.create_subprocess_exec(
        program("chromium", "chromium"),
        *OPTIONS,
        *options,
        f"--user-data-dir={folder / 'profile'}",
        f"--host-resolver-rules={f'{hosts}, {nowhere}' if hosts else nowhere}",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        await browser.communicate()


async def page_at(url: str, folder: Path, hosts: str = "") -> str:
    """A page without scripts, as the browser has it."""
    async with browsing(url, folder, "--dump-dom", hosts=hosts) as browser:
        page, _ = await browser.communicate()
        return page.decode()
