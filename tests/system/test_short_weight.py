"""Several coins on a quarter of an address's request weight, in virtual time: daemon and venue."""

import asyncio
from pathlib import Path

from msgspec import Struct, field, structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import COINS, draw
from mm.app.simulate.run import alone
from mm.app.simulate.world import World

LOOK_S = 0.25
WARM_UP_S = 3.0
"""Of volatility, as the plan of a simulation sets it."""


class Seen(Struct):
    """`first_s`: when each coin was first quoted on both sides, seconds after the start."""

    first_s: dict[str, float] = field(default_factory=dict)


def watch(directory: Path, share: float, coins: tuple[str, ...], until_s: float) -> Seen:
    plan = draw(1, tuple(FAULTS))
    limits = ("portfolio.", "risk.max_daily", "risk.max_drawdown")
    kept = (each for each in plan.settings if not each.startswith(limits))
    settings = (*kept, f"venue.ip_weight_share={share}")
    calm = structs.replace(plan, coins=coins, opening=(), faults=(), settings=settings)
    world = World(structs.replace(calm, latency_s=(0.02, 0.02)), directory)
    seen = Seen()

    async def look() -> None:
        world.venue.start()
        await asyncio.sleep(0.5)
        supervising = asyncio.create_task(world.maker.supervise())
        began = world.now
        while world.now < began + until_s:
            await asyncio.sleep(LOOK_S)
            sides: dict[str, set[object]] = {}
            for order in world.venue.orders():
                sides.setdefault(order.coin, set()).add(order.side)
            for coin in coins:
                if len(sides.get(coin, ())) == 2:
                    seen.first_s.setdefault(coin, world.now - began)
        supervising.cancel()

    with alone(), world.trace.heard():
        run(world.loop, look())
    return seen


def test_three_coins_on_a_quarter_quote_within_seconds(tmp_path: Path) -> None:
    """They waited a minute: open orders were listed three times."""
    seen = watch(tmp_path, 0.25, COINS, 10.0)
    assert set(seen.first_s) == set(COINS)
    assert max(seen.first_s.values()) < WARM_UP_S + 3.0
