"""For every test: hypothesis without wall-clock deadlines; a missing tool is said aloud."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from mm.adapters.hyperliquid import nonce
from tests.patience import PatientLoop

settings.register_profile("mm", deadline=None, print_blob=True)  # shared machines stall at will
settings.load_profile("mm")

TOOLS = {"browser": {"chromium": "chromium"}, "prometheus": {"promtool": "prometheus"}}
"""Marker -> the commands that its tests run, each with its Debian package."""


@pytest.fixture(autouse=True)
def process_of_its_own() -> None:
    """No test goes on from the nonces of another, whose clock may have been ahead."""
    nonce.forget_all()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """No timeout runs out because the machine was busy."""
    return {"patient": PatientLoop}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A missing tool skips its tests on a laptop and fails them in CI."""
    for marker, tools in TOOLS.items():
        for command, package in tools.items():
            if item.get_closest_marker(marker) and shutil.which(command) is None:
                fail_or_skip(f"no {command} here: apt-get install {package}")


def fail_or_skip(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run this test: {why}")
    pytest.skip(why)
