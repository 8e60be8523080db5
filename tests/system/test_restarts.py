"""kill -9 and start again, in virtual time: soon ready, and as wise as before."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import Struct, structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import alone
from mm.app.simulate.world import World
from mm.model.units import NS_PER_S, SIDES

T = TypeVar("T")
KILLS = 4
READY_S = 10.0
LIFE_S = 45.0
"""Of the first life the first seconds are for volatility to warm up."""
QUIET_S = 1.5
"""Without a fill before a kill: what came since the last checkpoint is no evidence any more."""
COIN = "BTC"
OWN = (
    "daemon.checkpoint_interval_s=1",
    "risk.max_position_usd=9500",  # no whole number of lots: as the lot is cut anew, so many fit
)
NOT_OWN = ("portfolio.", "risk.max_d", "risk.max_position", "daemon.")


class Known(Struct, frozen=True):
    """What an engine that quotes both sides has learned."""

    half_spread_bps: float
    progress: float


def known(world: World) -> Known | None:
    """None while not both sides stand."""
    engine = world.maker.engines.get(COIN)
    if engine is None or not set(SIDES) <= set(engine.state.orders.standing()):
        return None
    view = engine.view()
    if view.bid.blocked or view.ask.blocked:
        return None
    (width,) = (term.bps for term in view.bid.terms if term.name == "half_spread")
    return Known(width / view.calibration.multiplier, view.calibration.progress)


async def seen(world: World, sight: Callable[[World], T | None]) -> T:
    while True:
        if found := sight(world):
            return found
        await asyncio.sleep(0.05)


def quiet(world: World) -> bool:
    filled = world.maker.engines[COIN].state.last_fill_ts or 0
    return (world.maker.clock.now() - filled) / NS_PER_S > QUIET_S


async def lived(world: World, ready_s: list[float], lives: list[tuple[Known, Known]]) -> None:
    """A life after another; what each knew when it first quoted, and when it was killed."""
    world.venue.start()
    await asyncio.sleep(0.5)
    supervising = asyncio.create_task(world.maker.supervise())
    for _ in range(KILLS + 1):
        await seen(world, lambda world: world.maker.running)
        first = await seen(world, known)
        ready_s.append(world.now - world.maker.began_at)
        await asyncio.sleep(LIFE_S)
        await seen(world, quiet)
        lives.append((first, await seen(world, known)))
        world.maker.kill()
    supervising.cancel()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_daemon_quotes_within_ten_seconds_as_before(tmp_path: Path, seed: int) -> None:
    plan = draw(seed, tuple(FAULTS))
    settings = (*(one for one in plan.settings if not one.startswith(NOT_OWN)), *OWN)
    alike = structs.replace(plan, coins=(COIN,), scenario="liquid", speed=5.0, settings=settings)
    world = World(structs.replace(alike, opening=(), faults=()), tmp_path)
    ready_s: list[float] = []
    lives: list[tuple[Known, Known]] = []
    with alone(), world.trace.heard():
        run(world.loop, lived(world, ready_s, lives))
        del world
    assert max(ready_s[1:]) < READY_S
    for (_, last), (first, _) in pairwise(lives):
        assert first.half_spread_bps == pytest.approx(last.half_spread_bps, rel=0.05)
        assert first.progress > 0.9 * last.progress
    assert lives[-1][1].progress > 0.1
