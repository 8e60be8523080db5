"""What every test with real processes needs: an exchange, and an end to all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.processes import Exchange, Process


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
