"""A real browser, Chromium without a window, that loads one page and tells what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
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
    "--virtual-time-budget=20000",  # it waits for the page's own calls, not by the clock
    "--dump-dom",
)


async def page_after(url: str, folder: Path, hosts: str = "") -> str:
    """The page as it is when its scripts are done; its profile is in `folder`.

    No name is resolved but localhost and what `hosts` maps, such as `MAP evil.example 127.0.0.1`.
    """
    nowhere = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    rules = f"{hosts}, {nowhere}" if hosts else nowhere
    browser = await asyncio.create_subprocess_exec(
        program("chromium", "chromium"),
        *OPTIONS,
        f"--user-data-dir={folder / 'profile'}",
        f"--host-resolver-rules={rules}",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        page, complaints = await browser.communicate()
        assert browser.returncode == 0, complaints.decode()
        return page.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        await browser.wait()
