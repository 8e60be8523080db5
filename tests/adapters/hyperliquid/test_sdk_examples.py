"""The official SDK's own example files, run unmodified but for the base URL.

They are not part of its package. To run them:

    git clone https://github.com/hyperliquid-dex/hyperliquid-python-sdk build/hyperliquid-python-sdk

or name their directory in MM_SDK_EXAMPLES. What they call is tested without them in `test_sdk.py`.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mm.app.clock import WallClock
from mm.app.config import load
from mm.app.exchange import Serving, local_exchange

CLONE = Path(__file__).parents[3] / "build" / "hyperliquid-python-sdk" / "examples"
EXAMPLES = Path(os.environ.get("MM_SDK_EXAMPLES", CLONE))
COINS = ("BTC", "ETH", "OP", "test:ABC")
DEADLINE_S = 60.0
KEY = "0x" + "0" * 62 + "a1"
RUN = """
import runpy, sys
from hyperliquid.utils import constants
url, path = sys.argv.pop(1), sys.argv.pop(1)
constants.TESTNET_API_URL, constants.MAINNET_API_URL = url, url + "/"
sys.path.insert(0, path.rpartition("/")[0])
runpy.run_path(path, run_name="__main__")
"""
"""With the mainnet's address as it is, an example could go there; a slash keeps the two apart, for
the SDK signs for mainnet where its base URL is exactly that constant."""

OID = r"{'resting': {'oid': \d+"
CANCELED = r"'statuses': \['success'\]"
ELSEWHERE = "is not supported by this exchange"
EXPECTED: dict[str, tuple[str, ...]] = {
    "basic_order": (OID, "'status': 'open'", CANCELED),
    "basic_order_with_cloid": (OID, "'status': 'open'", "unknownOid", CANCELED),
    "basic_order_modify": (OID, f"with oid: .*{OID}", f"with cloid: .*{OID}"),
    "cancel_open_orders": (r"cancelling order {'coin': 'ETH'",),
    "basic_market_order": (r"filled 0\.05 @.*\n(.*\n)*.*filled 0\.05 @",),
    "basic_leverage_adjustment": (r"({'status': 'ok'.*\n){2}", "No isolated position"),
    "basic_schedule_cancel": (OID, r"{'type': 'default'}", r"open orders: \[\]"),
    "basic_agent": (OID, f"with extra agent\n.*{OID}", f"Canceling .*\n.*{CANCELED}"),
    "rounding": (r"px 1\.2346 and sz 12\.3\n", OID, CANCELED),
    "basic_order_with_builder_deployed_dex": (OID, "'coin': 'test:ABC'", CANCELED),
    "basic_sub_account": ("'createSubAccount', 'data': '0x", "'default'", ELSEWHERE),
    "basic_vault": ("Vault not registered: 0x1719",),
    "basic_tpsl": (OID, "Trigger orders are not supported by this exchange"),
    "basic_builder_fee": (ELSEWHERE, "Builder fee has not been approved"),
    "basic_transfer": (ELSEWHERE,),
    "basic_withdraw": (ELSEWHERE,),
    "basic_spot_to_perp": (f"(.*{ELSEWHERE}.*\n){{2}}",),
    "user_abstraction": (ELSEWHERE, "abstraction state: disabled"),
}
"""By example, in this order: what its output must say."""
CHANNELS = (
    *("allMids", "l2Book", "user", "userFills", "candle", "orderUpdates", "userFundings"),
    *("bbo", "activeAssetCtx", "activeAssetData"),
)
ENDLESS: dict[str, tuple[str, ...]] = {
    "basic_ws": tuple(f"'channel': '{channel}'" for channel in CHANNELS),
    "basic_adding": ("Placing order: .*side:A", r"open_orders \[{'coin': 'ETH'"),
}
"""Those that only end when they are stopped, once they have said this."""

pytestmark = pytest.mark.skipif(
    not (EXAMPLES / "example_utils.py").is_file(),
    reason=f"no SDK examples in {EXAMPLES}: see this file's first lines",
)


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """What `mm exchange` serves."""
    sets = ["exchange.weight_per_min=1000000", "exchange.schedule_cancel_usd=0"]
    config = load([], {}, sets)
    async with local_exchange(config.exchange, WallClock(), COINS) as found:
        yield found


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """The files, beside a configuration with a key of ours."""
    found = tmp_path / "examples"
    shutil.copytree(EXAMPLES, found, ignore=shutil.ignore_patterns("config.json"))
    settings = {"keystore_path": "", "secret_key": KEY, "account_address": ""}
    (found / "config.json").write_text(json.dumps(settings))
    return found


async def run(examples: Path, url: str, name: str, until: tuple[str, ...] = ()) -> str:
    """Its output; with `until`, it is stopped as soon as all of that was said."""
    path = examples / f"{name}.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", RUN, url, str(path), stdout=PIPE, stderr=STDOUT, cwd=examples
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while chunk := await process.stdout.read(65_536):
                said += chunk.decode()
                if until and all(re.search(wanted, said) for wanted in until):
                    break
    except TimeoutError:
        said += f"\nTraceback: not done after {DEADLINE_S:g} s"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return said


async def test_each_example_does_what_it_shows(serving: Serving, examples: Path) -> None:
    for name, wanted in EXPECTED.items():
        said = await run(examples, serving.url, name)
        assert "Traceback" not in said, f"{name}: {said}"
        for line in wanted:
            assert re.search(line, said), f"{name} does not say {line!r}: {said}"


async def test_the_websocket_client_hears_what_happens(serving: Serving, examples: Path) -> None:
    for name, wanted in ENDLESS.items():
        listening = asyncio.create_task(run(examples, serving.url, name, until=wanted))
        while not listening.done():
            await run(examples, serving.url, "basic_market_order")
        assert "Traceback" not in listening.result(), f"{name}: {listening.result()[-2000:]}"
