"""The page of a real `mm run`: quotes on the local exchange, and a fill that it made."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from mm.adapters.data_dir import read_runtime, read_token
from tests.adapters.web.test_page import ARGS, CHROMIUM, Visit

pytestmark = pytest.mark.browser
START_S = 60.0
FILL_MS = 60_000


@pytest_asyncio.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Of a daemon that runs on the embedded exchange, and that must end well."""
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mm", "run",
        "--set", "web.port=0", "--set", f"daemon.data_dir={tmp_path}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(START_S):
        while (runtime := read_runtime(tmp_path)) is None:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
    yield runtime.url
    daemon.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(daemon.wait(), START_S) == 0


async def command(page: Page, verb: str, token: str) -> None:
    """As an operator does: click, paste the token the first time, send."""
    await page.get_by_test_id(verb).click()
    await page.get_by_test_id("token").fill(token)
    await page.get_by_test_id("send").click()
    await expect(page.locator("dialog")).to_be_hidden()


async def test_it_shows_a_fill_that_the_exchange_made_and_obeys(url: str, tmp_path: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        visit = Visit(await browser.new_page())
        page = visit.page
        await page.goto(url)

        await expect(page.get_by_test_id("label")).to_have_text("EMBEDDED")
        await expect(page.get_by_test_id("state")).to_have_text("quoting", timeout=FILL_MS)
        await expect(page.get_by_test_id("side-status")).to_have_text("statusquotingquoting")
        await expect(page.get_by_test_id("order-bid-1")).to_be_visible()
        await expect(page.get_by_test_id("order-ask-1")).to_be_visible()
        await expect(page.get_by_test_id("fill").first).to_be_visible(timeout=FILL_MS)
        await expect(page.get_by_test_id("pnl-fees")).not_to_have_text("Fees0.00")

        token = read_token(tmp_path)
        await command(page, "pause", token)
        await expect(page.get_by_test_id("state")).to_have_text("paused")
        await expect(page.get_by_test_id("side-status")).to_contain_text("paused")
        await command(page, "resume", token)
        await expect(page.get_by_test_id("state")).to_have_text("quoting", timeout=FILL_MS)
        await command(page, "halt", token)
        await expect(page.get_by_test_id("state")).to_have_text("halted")
        await expect(page.locator("#order-count")).to_have_text("none")

        assert visit.complaints == []
        assert {address.split("/")[2] for address in visit.urls} == {url.split("/")[2]}
        await browser.close()
