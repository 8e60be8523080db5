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
