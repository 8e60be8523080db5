"""A real server on a free port, fed by a small market maker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from mm.adapters.metrics import Metrics
from mm.adapters.web.server import WebOptions, WebServer
from tests.adapters.web.maker import Maker

TOKEN = "a-token-for-tests-only"

expect.set_options(timeout=60_000)  # a browser on a busy machine takes its time


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def options(tmp_path: Path) -> WebOptions:
    return WebOptions(token_path=tmp_path / "web.token", token=TOKEN, port=0)


@pytest.fixture
async def server(maker: Maker, options: WebOptions) -> AsyncIterator[WebServer]:
    server = WebServer(maker, Metrics("BTC"), options)
    await server.start()
    yield server
    await server.stop()
