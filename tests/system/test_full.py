"""What the portfolio's limit forbids is asked of nobody, and nothing else is excused by it."""

import asyncio
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec import structs

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.full import is_full
from mm.app.simulate.loop import run
from mm.app.simulate.plan import COINS, draw
from mm.app.simulate.run import MOST_EXCUSED_S, QUOTE_AGAIN_S, Story, alone
from mm.app.simulate.world import World
from mm.model.units import SIDES

A_LOT_EACH = (
    "stochastic.volatility.max_warmup_s=3",
    "strategy.lot_usd=1000",
    "strategy.levels=1",
    "risk.max_position_usd=5000",
    "risk.max_order_usd=2000",
    "stochastic.policy=off",
    "portfolio.max_gross_usd=3000",
)
BY_LIMIT = ("below the venue's minimum notional", "risk limit")


class Onlooker(Story):
    """Notes for a minute of each side: is it full, does it rest, do limits block it?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.seen: Counter[tuple[bool, bool, bool]] = Counter()

    async def _misfortune(self) -> None:
        world = self.world
        for _ in range(300):
            await asyncio.sleep(0.2)
            resting = {(row.coin, row.side) for row in world.venue.orders()}
            for coin, engine in world.maker.engines.items():
                for side in SIDES:
                    blocked = (engine.state.presence.reason[side] or "").startswith(BY_LIMIT)
                    rests = (coin, side) in resting
                    self.seen[is_full(world, coin, side), rests, blocked] += 1


def test_a_side_is_full_where_the_limit_leaves_it_no_order(tmp_path: Path) -> None:
    plan = structs.replace(draw(2, tuple(FAULTS)), scenario="liquid", opening=(), faults=())
    world = World(structs.replace(plan, coins=COINS, settings=A_LOT_EACH), tmp_path)
    story = Onlooker(world)
    with alone(), world.trace.heard():
        run(world.loop, story.tell())
        seen = story.seen
        del world, story
    assert not any(full and rests for full, rests, _ in seen), "what is full has no order"
    blocked = Counter({full: seen[full, False, True] for full in (True, False)})
    assert blocked[True] > 4 * blocked[False], "nearly all that the limit blocks is full"
    assert blocked[True] > 50


@pytest.mark.parametrize(
    ("full_s", "quoted_s", "kept"),
    [
        (0.0, QUOTE_AGAIN_S + 5.0, False),
        (10.0, QUOTE_AGAIN_S + 5.0, True),
        (10.0, QUOTE_AGAIN_S + 15.0, False),
        (MOST_EXCUSED_S + 100.0, QUOTE_AGAIN_S + MOST_EXCUSED_S - 5.0, True),
        (MOST_EXCUSED_S + 100.0, QUOTE_AGAIN_S + MOST_EXCUSED_S + 5.0, False),
    ],
)
def test_only_while_a_side_is_full_its_time_stands(
    full_s: float, quoted_s: float, kept: bool, tmp_path: Path
) -> None:
    """One coin held a lot of a limit of a lot each, and nobody traded with the other side for 75 s
    (`mm sim --seed 1002681` of then)."""
    world = World(draw(4, tuple(FAULTS)), tmp_path)
    story, began = Story(world), world.now

    def missing() -> str:
        return "ETH bid" if world.now - began < quoted_s else ""

    story.at_rest.unquoted = missing  # type: ignore[method-assign]  # a market would take its time
    story.at_rest.full = lambda: world.now - began < full_s  # type: ignore[method-assign]  # the same
    with nullcontext() if kept else pytest.raises(BrokenPromiseError, match="ETH bid"):
        run(world.loop, story._quotes(QUOTE_AGAIN_S))
