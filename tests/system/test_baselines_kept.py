"""Killed in the middle of a loss, the next life counts it from where the last one did."""

import asyncio
from pathlib import Path

from msgspec import structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import alone
from mm.app.simulate.world import World
from mm.core.kill_switch import Equity
from mm.model.events import Event, Start

COIN = "BTC"
MARKED_S = 1.5
"""Later than a checkpoint, of which there is one each second here."""

CLOSE_USD = 1
"""Of 100,000: a checkpoint marks what it finds, the kill switch looks at each tick."""


def first(world: World) -> Event | None:
    """Of the present life, that of the coin."""
    return world.maker.journals[COIN][0][0] if world.maker.engines else None


async def in_a_loss(world: World) -> Equity:
    """Until equity is below its peak and other than at the start of the day, all of it written."""
    equity = world.maker.engines[COIN].state.kill.equity
    while True:
        peak, day = equity.peak, equity.day_start
        await asyncio.sleep(MARKED_S)
        now = equity.now(world.maker.engines[COIN].state.pnl.total)
        if now is not None and peak is not None and now < peak == equity.peak != day:
            return equity


async def lives(world: World) -> None:
    world.venue.start()
    await asyncio.sleep(0.5)
    supervising = asyncio.create_task(world.maker.supervise())
    await asyncio.sleep(20.0)
    before = await in_a_loss(world)
    world.maker.kill()
    while world.maker.boots < 2 or first(world) is None:  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.1)
    started = first(world)
    supervising.cancel()
    assert isinstance(started, Start)
    known = before.peak, before.day_start, before.midnight
    told = started.peak_equity, started.day_equity, started.midnight_equity
    for now, then in zip(told, known, strict=True):
        assert now is not None
        assert then is not None
        assert abs(now - then) < CLOSE_USD, f"{told}, {known}"
    assert started.peak_equity is not None
    assert started.peak_equity >= (before.peak or 0), "no limit is wider"
    assert started.last_mark is not None


def test_the_next_life_is_told_peak_and_start_of_the_day(tmp_path: Path) -> None:
    plan = draw(3, tuple(FAULTS))
    kept = tuple(one for one in plan.settings if not one.startswith(("portfolio.", "risk.max_d")))
    settings = (*kept, "daemon.checkpoint_interval_s=1")
    calm = structs.replace(plan, opening=(), faults=(), coins=(COIN,), settings=settings)
    world = World(structs.replace(calm, scenario="liquid", speed=10.0), tmp_path)
    with alone(), world.trace.heard():
        run(world.loop, lives(world))
        del world
