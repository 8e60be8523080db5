"""A key is rotated as the handbook says: another wallet goes on with account, ledger and orders."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from mm.adapters.hyperliquid.sign import Signer
from mm.app.config import Config, load
from mm.app.simulate.at_rest import AtRest
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import Plan, draw
from mm.app.simulate.run import alone
from mm.app.simulate.venue_side import AT, USER
from mm.app.simulate.world import World

WALLETS = ("0x" + "a1" * 32, "0x" + "b2" * 32)
FILLS = 3


def config(path: Path, plan: Plan, key: str) -> Config:
    settings = [
        "venue.network=local",
        f"venue.base_url=http://{AT[0]}:{AT[1]}",
        f"venue.account_address={USER}",
        f"daemon.data_dir={path}",
        "recorder.journal=false",
        "web.enabled=false",
        "instruments.0.name=BTC",
        *plan.settings,
    ]
    return load(environ={"MM_VENUE__PRIVATE_KEY": key}, assignments=settings)


async def seen(sight: Callable[[], object]) -> None:
    while not sight():  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.1)


async def stopped(world: World, orderly: bool) -> None:
    """By SIGTERM or kill -9."""
    maker, ends = world.maker, len(world.maker.exits)
    assert maker.host is not None
    if not orderly:
        maker.kill()
        return
    maker.host.terminate()
    await seen(lambda: len(maker.exits) > ends)
    assert maker.exits[-1] == (0, "")


async def rotated(world: World, keys: list[str], orderly: bool) -> None:
    """`keys`: the first is in the key file. The old one is revoked before the next life begins."""
    exchange = world.venue.exchange

    def trades(fills: int) -> bool:
        return len(exchange.fills(USER)) >= fills and bool(world.venue.orders())

    world.venue.start()
    await asyncio.sleep(0.5)
    exchange.register_agent(USER, Signer(keys[0]).address, "mm")
    supervising = asyncio.create_task(world.maker.supervise())
    await seen(lambda: trades(FILLS))
    before = {row.oid for row in world.venue.orders()}
    await stopped(world, orderly)
    del keys[0]
    exchange.register_agent(USER, Signer(keys[0]).address, "mm")
    await seen(lambda: trades(2 * FILLS))
    assert not before & {row.oid for row in world.venue.orders()}
    world.venue.hush()
    await asyncio.sleep(10.0)
    supervising.cancel()
    await stopped(world, orderly=True)
    await asyncio.sleep(1.0)
    assert world.maker.boots == 2
    AtRest(world).ended()


@pytest.mark.parametrize("orderly", [True, False])
def test_another_wallet_goes_on_where_the_first_one_ended(tmp_path: Path, orderly: bool) -> None:
    """Stopped, or killed with its orders resting."""
    plan = draw(3, tuple(FAULTS))
    kept = tuple(one for one in plan.settings if not one.startswith(("portfolio.", "risk.max_d")))
    plan = structs.replace(plan, opening=(), faults=(), coins=("BTC",), settings=kept)
    world, keys = World(structs.replace(plan, scenario="liquid"), tmp_path), list(WALLETS)
    world.maker._config = lambda: config(tmp_path, plan, keys[0])  # type: ignore[method-assign]  # its key
    with alone(), world.trace.heard():
        run(world.loop, rotated(world, keys, orderly))
        del world
