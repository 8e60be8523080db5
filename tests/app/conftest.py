"""What every test with real processes needs: an exchange, and an end to all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.processes import Exchange, Process
from tests.app.tee import Tee, tee


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    yield
    for process in Process.started:
        process.kill()
        process.wait(60)
    Process.started.clear()


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


@pytest.fixture
def wire(exchange: Exchange) -> Iterator[Tee]:
    """Between an exchange and whoever connects to it; hears both."""
    with tee(exchange.url) as between:
        yield between
    exchange.command.stop()
