"""The live page in a real browser, served by the real server."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, ViewportSize, async_playwright, expect

from mm.adapters.metrics import Metrics
from mm.adapters.web.server import WebOptions, WebServer
from mm.model.actions import Severity
from mm.model.units import Side
from tests.adapters.web.maker import LEVELS, Maker

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),  # one browser for all: it starts slowly
]
ARGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK: ViewportSize = {"width": 1440, "height": 900}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport=DESK)
    yield page
    await page.close()


class Visit:
    """A page, and all that it complained of or asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.urls: list[str] = []
        page.on("console", lambda m: self.complaints.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        self.urls.append(request.url)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(page: Page, server: WebServer) -> AsyncIterator[Visit]:
    """The page, open and live, with five minutes of history behind it."""
    visit = Visit(page)
    await page.goto(server.url)
    await expect(page.get_by_test_id("link")).to_have_text("live")
    yield visit
    assert visit.complaints == []
    assert {url.split("/")[2] for url in visit.urls} == {f"127.0.0.1:{server.port}"}


@pytest_asyncio.fixture(loop_scope="module")
async def server(maker: Maker, options: WebOptions) -> AsyncIterator[WebServer]:
    """With five minutes behind it; it beats by itself, the market moves when the test says so."""
    server = WebServer(maker, Metrics("BTC"), options)
    for _ in range(300):
        for fill in maker.advance(1.0):
            server.on_fill(fill)
        server.beat()
    await server.start()
    running = asyncio.create_task(server.run())
    yield server
    running.cancel()
    await server.stop()


async def test_it_renders_everything(visit: Visit, maker: Maker) -> None:
    page = visit.page

    await expect(page.get_by_test_id("instrument")).to_have_text("BTC")
    await expect(page.get_by_test_id("label")).to_have_text("EMBEDDED")
    await expect(page.get_by_test_id("state")).to_have_text("quoting")
    await expect(page.get_by_test_id("arrivals")).to_have_text(str(len(maker.fills)))
    await expect(page.get_by_test_id("rate-window")).to_have_text("Last hour")
    await expect(page.get_by_test_id("progress")).to_have_attribute("aria-valuenow", "100")
    await expect(page.get_by_test_id("eta")).to_have_text("complete")
    origin = f"{len(maker.fills)}.0 observations, source own, last 3 s ago, confidence 84 %"
    await expect(page.get_by_test_id("kappa")).to_have_attribute("title", origin)
    whole = re.compile("^policy .")  # where the panel is too narrow for all of it
    await expect(page.get_by_test_id("calibration-note")).to_have_attribute("title", whole)
    rows = page.get_by_test_id("adverse").locator(".row")
    await expect(rows).to_have_count(6)
    half = f"{len(maker.fills) / 2:.1f} observations, source own, last 3 s ago"
    await expect(rows.last).to_have_attribute("title", half)
    await expect(page.get_by_test_id("orders").locator("tr")).to_have_count(2 * LEVELS + 1)
    await expect(page.get_by_test_id("pnl-spread")).to_contain_text(f"{maker.spread:+.2f}")
    await expect(page.get_by_test_id("side-status")).to_contain_text("quoting")
    await expect(page.get_by_test_id("fill")).to_have_count(len(maker.fills))
    chart = page.get_by_test_id("price-chart")
    assert int(await chart.get_attribute("data-points") or 0) >= 300
    assert await chart.get_attribute("data-fills") == str(len(maker.fills))
    assert len({*await drawn_colours(page)}) > 20  # lines, bands, text: not an empty canvas


async def drawn_colours(page: Page) -> list[int]:
    colours: list[int] = await page.evaluate(
        """() => {
          const canvas = document.querySelector("#price-chart canvas");
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [...new Set(new Uint32Array(pixels.data.buffer))];
        }"""
    )
    return colours


async def test_it_updates_and_shows_a_fill(visit: Visit, server: WebServer, maker: Maker) -> None:
    page = visit.page
    chart = page.get_by_test_id("price-chart")
    points = int(await chart.get_attribute("data-points") or 0)
    fills = len(maker.fills)

    maker.fair *= 1.001
    maker.ts += 10**9
    server.on_fill(maker.fill(Side.BID))

    await expect(page.get_by_test_id("fair")).to_have_text(f"{maker.fair:,.1f}")
    await expect(page.get_by_test_id("fill").first).to_contain_text("bought 0.004")
    await expect(chart).to_have_attribute("data-fills", str(fills + 1))
    await expect(page.get_by_test_id("arrivals")).to_have_text(str(fills + 1))
    assert int(await chart.get_attribute("data-points") or 0) > points


async def test_notes_are_shown_with_their_numbers(
    visit: Visit, server: WebServer, maker: Maker
) -> None:
    server.on_note(
        maker.note("risk", "Quotes withdrawn", Severity.WARNING, book_age_s=6.25, reason="")
    )

    note = visit.page.get_by_test_id("note").first
    await expect(note).to_contain_text("Quotes withdrawn")
    await expect(note).to_contain_text("book age s 6.25")
    await expect(note).not_to_contain_text("reason")  # empty: nothing to tell
    await expect(note).to_have_class("warning")


async def test_it_cannot_be_scripted_by_what_it_shows(
    visit: Visit, server: WebServer, maker: Maker
) -> None:
    server.on_note(maker.note("risk", "<img src=x onerror=alert(1)>"))

    await expect(visit.page.get_by_test_id("note").first).to_contain_text("<img src=x")


async def test_the_large_share_is_what_is_calibrated_and_m_is_named(
    page: Page, maker: Maker, options: WebOptions
) -> None:
    server = WebServer(maker, Metrics("BTC"), options)
    await server.start()
    running = asyncio.create_task(server.run())
    await page.goto(server.url)
    for _ in range(4):
        maker.fill(Side.BID)
    view = maker.view()
    assert view is not None
    c = view.calibration
    assert 0 < c.progress < c.multiplier < 1

    await expect(page.get_by_test_id("progress-text")).to_have_text(
        f"{c.progress:.0%}".replace("%", " %")
    )
    await expect(page.get_by_test_id("multiplier")).to_have_text(
        f"m {100 * c.multiplier:.0f} % of full width"
    )
    await expect(page.get_by_test_id("eta")).to_contain_text("to go")
    await expect(page.get_by_test_id("hungry")).to_have_text("fill-hungry")

    maker.state, maker.not_ready = "halted", "halted: operator"
    await expect(page.get_by_test_id("state")).to_have_text("halted")
    await expect(page.get_by_test_id("eta")).to_have_text("")
    await expect(page.get_by_test_id("hungry")).to_have_text("halted")
    await expect(page.get_by_test_id("effect")).to_have_text("none")
    running.cancel()
    await server.stop()


@pytest.mark.parametrize("state", ["withdrawn", "paused", "halted"])
async def test_why_it_does_not_quote(visit: Visit, maker: Maker, state: str) -> None:
    page = visit.page
    maker.state, maker.not_ready = state, "book is stale: 6.1 s"

    await expect(page.get_by_test_id("state")).to_have_text(state)
    cause = "book is stale: 6.1 s"
    if state == "halted":  # told once, although the latch and the reasons both say it
        cause += " · halted: daily loss 5.1 % of equity"
    await expect(page.get_by_test_id("reason")).to_have_text(cause)
    maker.flatten = "closing the position"
    await expect(page.get_by_test_id("reason")).to_have_text(f"{cause} · flatten: {maker.flatten}")
    await expect(page.get_by_test_id("side-status")).to_have_text(f"status{state}{state}")
    await expect(page.get_by_test_id("resume")).to_be_visible(visible=state != "withdrawn")


async def test_before_the_first_book_it_says_what_it_waits_for(
    page: Page, server: WebServer, maker: Maker
) -> None:
    maker.blind, maker.not_ready = True, "waiting for the first book"
    await page.goto(server.url)

    await expect(page.get_by_test_id("reason")).to_have_text("waiting for the first book")
    await expect(page.get_by_test_id("state")).to_have_text("starting")


async def test_what_is_older_than_the_chart_leaves_it(visit: Visit, maker: Maker) -> None:
    chart = visit.page.get_by_test_id("price-chart")
    assert int(await chart.get_attribute("data-fills") or 0) > 0

    maker.ts += 1100 * 10**9

    await expect(chart).to_have_attribute("data-fills", "0")
    assert int(await chart.get_attribute("data-points") or 0) < 300


async def test_a_view_that_knows_nothing_yet_is_no_error(visit: Visit, maker: Maker) -> None:
    maker.ignorant, maker.state = True, "starting"
    maker.ts += 10**9
    await expect(visit.page.get_by_test_id("fair")).to_have_text("–")
    await visit.page.reload()  # the backlog's last points know nothing either

    await expect(visit.page.get_by_test_id("kappa")).to_have_text("–")
    await expect(visit.page.get_by_test_id("link")).to_have_text("live")
    maker.ignorant, maker.state = False, "quoting"
    maker.ts += 10**9
    await expect(visit.page.get_by_test_id("fair")).to_have_text(f"{maker.fair:,.1f}")


async def test_a_lost_daemon_is_shown_and_found_again(
    page: Page, server: WebServer, options: WebOptions, maker: Maker
) -> None:
    await page.goto(server.url)
    await expect(page.get_by_test_id("link")).to_have_text("live")
    await server.stop()

    await expect(page.get_by_test_id("link")).to_have_text("disconnected")
    await expect(page.get_by_test_id("banner")).to_contain_text("Disconnected from the daemon")

    again = WebServer(
        maker, Metrics("BTC"), WebOptions(token_path=options.token_path, port=server.port)
    )
    await again.start()
    running = asyncio.create_task(again.run())
    await expect(page.get_by_test_id("link")).to_have_text("live", timeout=60_000)
    await expect(page.get_by_test_id("banner")).to_be_hidden()
    running.cancel()
    await again.stop()


async def test_a_silent_daemon_is_shown_as_silent(
    page: Page, maker: Maker, options: WebOptions
) -> None:
    """Connected, and nothing comes: no beat."""
    server = WebServer(maker, Metrics("BTC"), options)
    await server.start()
    await page.goto(server.url)

    await expect(page.get_by_test_id("banner")).to_contain_text("The daemon is silent")
    await expect(page.get_by_test_id("link")).to_have_text("silent")
    await server.stop()


async def test_halt_asks_for_the_token_and_reaches_the_engine(
    visit: Visit, maker: Maker, token: str
) -> None:
    page = visit.page
    await page.get_by_test_id("halt").click()
    await page.get_by_test_id("token").fill(token)
    await page.get_by_label("Reason").fill("lunch")
    await page.get_by_label("Close the position too").check()
    await page.get_by_test_id("send").click()

    await expect(page.locator("dialog")).to_be_hidden()
    assert maker.commands == [("flatten", "lunch")]

    await page.get_by_test_id("pause").click()
    await expect(page.get_by_test_id("token")).to_have_value(token)  # once per tab
    await page.get_by_test_id("token").press("Enter")
    await expect(page.locator("dialog")).to_be_hidden()
    assert maker.commands[1:] == [("pause", "")]


async def test_one_instrument_leaves_nothing_to_choose(visit: Visit) -> None:
    await expect(visit.page.get_by_test_id("chooser")).to_be_hidden()


async def test_another_instrument_is_chosen_shown_and_commanded(
    visit: Visit, server: WebServer, maker: Maker, token: str
) -> None:
    other = Maker(seed=8)
    other.name = "ETH"
    server.add(other, Metrics("ETH"))
    page = visit.page

    await page.get_by_test_id("chooser").select_option("ETH")
    await expect(page.get_by_test_id("instrument")).to_have_text("ETH")
    await expect(page.get_by_test_id("link")).to_have_text("live")
    await page.get_by_test_id("pause").click()
    await page.get_by_test_id("token").fill(token)
    await page.get_by_test_id("only").check()
    await page.get_by_test_id("send").click()

    await expect(page.locator("dialog")).to_be_hidden()
    assert (maker.commands, other.commands) == ([], [("pause", "")])
    assert page.url.endswith("?instrument=ETH")


async def test_a_wrong_token_is_told_and_does_nothing(
    page: Page, server: WebServer, maker: Maker
) -> None:
    await page.goto(server.url)
    await page.get_by_test_id("pause").click()
    await page.get_by_test_id("token").fill("wrong")
    await page.get_by_test_id("send").click()

    await expect(page.locator("#command-error")).to_contain_text("token missing or wrong")
    assert maker.commands == []


@pytest.mark.parametrize("viewport", [DESK, LAPTOP, PHONE], ids=["desk", "laptop", "phone"])
@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_it_fits_the_screen(
    page: Page, server: WebServer, viewport: ViewportSize, scheme: Literal["dark", "light"]
) -> None:
    """Never wider than the screen, no number cut; on a desk all of it at once; readable text."""
    await page.set_viewport_size(viewport)
    await page.emulate_media(color_scheme=scheme)
    await page.goto(server.url)
    await expect(page.get_by_test_id("link")).to_have_text("live")

    size = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert size[0] == viewport["width"]
    assert size[1] <= 900 or viewport is PHONE
    assert await cut_short(page) == []
    assert await contrast(page, "#reason, .note, td:first-child, dt, #footer") >= 4.5


async def test_a_halt_leaves_every_row_of_the_quotes_in_sight(visit: Visit, maker: Maker) -> None:
    page = visit.page
    await page.set_viewport_size({"width": 1280, "height": 900})
    maker.state = "halted"
    await expect(page.get_by_test_id("side-status")).to_have_text("statushaltedhalted")

    hidden = await page.evaluate(
        """() => {
          const box = document.querySelector(".quotes");
          return [box.scrollHeight - box.clientHeight, box.scrollWidth - box.clientWidth];
        }"""
    )

    assert hidden == [0, 0]


async def cut_short(page: Page) -> list[str]:
    """Texts that do not show in full: what hides or dots what is too long for its place."""
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
          .filter((e) => getComputedStyle(e).overflowX !== "visible" && !e.closest("svg"))
          .map((e) => e.textContent)"""
    )
    return found


async def contrast(page: Page, selector: str) -> float:
    """The lowest WCAG contrast of the selected texts against their panel."""
    ratio: float = await page.evaluate(
        """(selector) => {
          const channels = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
          const linear = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          const light = (colour) => channels(colour).map(linear)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
          return Math.min(...[...document.querySelectorAll(selector)].map((element) => {
            const home = element.closest("section, header") ?? document.body;
            const pair = [light(getComputedStyle(element).color),
                          light(getComputedStyle(home).backgroundColor)];
            return Math.max(...pair) / Math.min(...pair);
          }));
        }""",
        selector,
    )
    return ratio
