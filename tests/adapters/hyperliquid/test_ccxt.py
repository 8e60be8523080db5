"""Another public client, ccxt, against what `mm exchange` serves; its Python is not ours.

    make clients

or name a Python that has it in MM_CCXT_PYTHON. What it does is in `ccxt_client.py`.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from mm.app.clock import WallClock
from mm.app.config import load
from mm.app.exchange import local_exchange

CLIENT = Path(__file__).with_name("ccxt_client.py")
PYTHON = Path(
    os.environ.get("MM_CCXT_PYTHON", CLIENT.parents[3] / "build" / "ccxt" / "bin" / "python")
)
DEADLINE_S = 240.0


@pytest.mark.skipif(
    not PYTHON.is_file(), reason=f"no ccxt at {PYTHON}: see this file's first lines"
)
async def test_ccxt_trades_here() -> None:
    config = load([], {}, ["exchange.weight_per_min=1000000"])
    async with local_exchange(config.exchange, WallClock(), ("BTC", "ETH", "test:ABC")) as serving:
        client = await asyncio.create_subprocess_exec(
            str(PYTHON), str(CLIENT), serving.url, stdout=PIPE, stderr=STDOUT
        )
        try:
            said, _ = await asyncio.wait_for(client.communicate(), DEADLINE_S)
        finally:
            if client.returncode is None:
                client.kill()
    assert client.returncode == 0, said.decode()
    assert len(said.splitlines()) == 4
