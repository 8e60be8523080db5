"""Take the README's picture: `mm run` on the embedded exchange, a browser, one image a light."""

import argparse
import asyncio
import signal
import socket
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def shoot(browser: Browser, url: str, scheme: str, path: Path) -> None:
    page = await browser.new_page(
        viewport={"width": 1440, "height": 900},
        color_scheme="light" if scheme == "light" else "dark",
        device_scale_factor=1,
    )
    await page.goto(url)
    await expect(page.get_by_test_id("link")).to_have_text("live", timeout=30_000)
    await page.wait_for_timeout(1000)
    await page.screenshot(path=path)
    await page.close()
    sys.stdout.write(f"{path}\n")


async def main(wanted: argparse.Namespace) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mm", "run",
            "--set", f"web.port={port}", "--set", f"daemon.data_dir={data}",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await asyncio.sleep(wanted.seconds)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
                for scheme in ("dark", "light"):
                    path = wanted.folder / f"page-{scheme}.png"
                    await shoot(browser, f"http://127.0.0.1:{port}", scheme, path)
                await browser.close()
        finally:
            daemon.send_signal(signal.SIGTERM)
            await daemon.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long to let it run")
    asyncio.run(main(parser.parse_args()))
