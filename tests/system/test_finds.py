"""Moments in which the simulation found the daemon wrong, written down."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import alone
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.model.units import NS_PER_S


def test_what_is_not_in_the_ledger_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next start would find an empty ledger, and take the trades of this one for older
    than itself."""
    world = World(structs.replace(draw(4, tuple(FAULTS)), opening=(), faults=()), tmp_path)

    async def locked_from_the_first_row_on(world: World) -> None:
        world.venue.start()
        await asyncio.sleep(0.5)
        monkeypatch.setattr(world.maker, "record", lambda *_: world.disk.lock())
        supervising = asyncio.create_task(world.maker.supervise())
        while not world.maker.exits:  # noqa: ASYNC110 - looked at from outside, as nature does
            await asyncio.sleep(0.1)
        supervising.cancel()
        world.disk.unlock()

    with alone(), world.trace.heard():
        run(world.loop, locked_from_the_first_row_on(world))
        account, ends = world.venue.exchange._accounts.known(USER), world.maker.exits
        del world
    assert "database is locked" in ends[0][1]
    assert account is None or not account.requests


def test_a_ledger_begins_by_the_venues_clock(tmp_path: Path) -> None:
    """By that of a machine 70 s ahead, what was traded and lost within 70 s of the first start was
    older than the ledger, and never told."""
    plan = structs.replace(draw(4, tuple(FAULTS)), opening=(), faults=(), ahead_ns=70 * NS_PER_S)
    world = World(plan, tmp_path)

    async def started(world: World) -> None:
        world.venue.start()
        await asyncio.sleep(0.5)
        supervising = asyncio.create_task(world.maker.supervise())
        while not world.maker.engines:  # noqa: ASYNC110 - looked at from outside, as nature does
            await asyncio.sleep(0.1)
        supervising.cancel()

    with alone(), world.trace.heard():
        run(world.loop, started(world))
        began = world.disk.read("SELECT DISTINCT start_ns FROM runs")
        age_s = (world.venue.clock.now() - began[0][0]) / NS_PER_S
        del world
    assert 0.0 <= age_s < 5.0
