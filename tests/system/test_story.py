"""Moments in which the simulation itself once called a sound daemon wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from mm.adapters.hyperliquid.server import Faults, FrameFaults
from mm.adapters.ledger_schema import open_database
from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.damage import bad_sector
from mm.app.simulate.fault_machine import suspend
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.host import Host
from mm.app.simulate.in_turn import InTurn
from mm.app.simulate.loop import run
from mm.app.simulate.plan import MIDNIGHT_S, draw
from mm.app.simulate.poison import Injected
from mm.app.simulate.run import Story, alone
from mm.app.simulate.standing import _may_follow
from mm.app.simulate.world import World
from mm.core.engine import Engine
from mm.model.events import ActionBudget, Command, Event, Tick
from mm.model.units import NS_PER_S, seconds
from tests.core.stage import INSTRUMENT, Stage, settings

BEFORE_AN_HOUR = (MIDNIGHT_S - 1040) * NS_PER_S
"""40 s: the loop begins at 1000 s."""
CLOCK_STANDS = 2
"""With this seed a machine that is suspended does not count that time."""

Script = Callable[[World], Awaitable[None]]


class Told(Story):
    """A run whose misfortune is written down, not drawn."""

    def __init__(self, world: World, script: Script) -> None:
        super().__init__(world)
        self._script = script

    async def _misfortune(self) -> None:
        await self._script(self.world)


async def halted_but_never_written(world: World) -> None:
    world.disk.lock()
    world.maker.command("halt")
    await asyncio.sleep(3.0)
    world.maker.kill()
    world.disk.unlock()
    await asyncio.sleep(8.0)


async def failing_unheard(world: World) -> None:
    """Calm comes between a commit that failed and the next row, which would tell of it."""
    writer = world.disk.writer
    assert writer is not None
    world.disk.full = True
    while not writer.has_failed:  # noqa: ASYNC110 - looked at from outside, as nature does
        await asyncio.sleep(0.001)


async def frozen_in_every_moment(world: World) -> None:
    for _ in range(15):
        host = world.maker.host
        assert host is not None
        host.freeze()
        await asyncio.sleep(7.0)
        host.thaw()
        await asyncio.sleep(1.7)


async def refused_even_cancels(world: World) -> None:
    """What other processes of its address have spent it cannot know."""
    venue = world.venue
    venue.heavy_until = venue.clock.now()
    for caller in venue.server._callers.values():
        caller.weight.spend(venue.clock.now(), 1200)
    venue.misbehave(Faults(frames=FrameFaults(muted=("l2Book", "bbo"))))
    await asyncio.sleep(20.0)
    venue.misbehave(Faults())
    await asyncio.sleep(70.0)


async def suspended_while_nobody_runs(world: World) -> None:
    """Who started meanwhile had run on a machine whose clock, at the end of it, was set back."""
    host = world.maker.host
    assert host is not None
    host.terminate()
    while world.maker.running:  # noqa: ASYNC110 - looked at from outside, as nature does
        await asyncio.sleep(0.01)
    assert not await suspend(world, Random(CLOCK_STANDS))
    await asyncio.sleep(10.0)


async def ended_by_something_else_on_a_bad_ledger(world: World) -> None:
    """Where a start has not noticed the damage."""
    for seed in range(20):
        damage = asyncio.create_task(bad_sector(world, Random(seed)))
        while not damage.done():
            await asyncio.sleep(0.1)
            tasks = world.maker.host.tasks() if world.maker.host is not None else []
            for task in tasks if world.maker.running else ():
                task.body.poison = Injected("by the simulation")
        await damage
        if any("Injected" in said for _, said in world.maker.exits):
            return
    raise AssertionError("each damage was noticed")


async def holding(world: World) -> None:
    while not any(world.venue.positions().values()):  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.1)


SCRIPTS = (
    halted_but_never_written,
    failing_unheard,
    frozen_in_every_moment,
    refused_even_cancels,
    suspended_while_nobody_runs,
    ended_by_something_else_on_a_bad_ledger,
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_sound_daemon_is_not_called_wrong(script: Script, tmp_path: Path) -> None:
    world = World(structs.replace(draw(4, tuple(FAULTS)), opening=(), faults=()), tmp_path)
    with alone(), world.trace.heard():
        run(world.loop, Told(world, script).tell())
        exits = world.maker.exits
        del world  # for `alone` to let go of the dead
    assert exits[-1][0] == 0


def paid_at_the_end(seed: int, path: Path) -> bool:
    """Of a run that agrees half a second before a full hour. Raises BrokenPromiseError."""
    plan = structs.replace(draw(seed, tuple(FAULTS)), opening=(), faults=())
    path.mkdir()
    world = World(structs.replace(plan, start_ns=BEFORE_AN_HOUR), path)
    story, venue = Told(world, holding), world.venue
    differs = story.at_rest.disagreement

    def not_before_the_hour() -> str:
        return "not yet" if 0.5 < venue.hour_in_s < 60.0 else differs()

    story.at_rest.disagreement = not_before_the_hour  # type: ignore[method-assign]  # it waits
    with alone(), world.trace.heard():
        run(world.loop, story.tell())
        paid = world.disk.read("SELECT amount FROM funding")
        del world, story
    return bool(paid)


def test_who_agrees_just_before_a_funding_stays_for_it(tmp_path: Path) -> None:
    """It was called wrong for cash that was paid as it left; not every run holds anything then."""
    assert any(paid_at_the_end(seed, tmp_path / str(seed)) for seed in (1, 6))


@pytest.mark.parametrize("lifted", [True, False])
def test_only_a_halt_that_was_lifted_may_be_gone_after_a_restart(
    lifted: bool, tmp_path: Path
) -> None:
    """Another turn may come before the one that heeds the resume, of which no recorder hears where
    the ledger cannot write it (`mm sim --seed 700535` of then)."""
    world = World(draw(4, tuple(FAULTS)), tmp_path)
    world.loop.close()
    in_turn, coin = InTurn(world), world.plan.coins[0]

    def happen(stage: Stage, event: Event) -> None:
        in_turn.turn(coin, stage.engine, event, stage.happen(event))

    before, after = (Stage(Engine(settings(), INSTRUMENT)) for _ in range(2))
    before.start()
    after.start()
    happen(before, Command(before.ts, "halt", "operator", "test"))
    if lifted:
        in_turn.unlatch()
    happen(before, Tick(before.ts))
    with nullcontext() if lifted else pytest.raises(BrokenPromiseError, match="forgotten"):
        happen(after, Tick(after.ts))


def test_a_suspended_machines_clock_stands_still_or_goes_on_but_never_back(tmp_path: Path) -> None:
    """Not even where it is slow (`mm sim --seed 600169` of then)."""
    plan = structs.replace(draw(4, tuple(FAULTS)), ahead_ns=0, drift_ppm=-50_000)
    world = World(plan, tmp_path)
    counted_s = []

    async def sleep_often() -> None:
        world.maker.host = Host(world.loop, "maker", "10.0.0.2")
        for seed in range(10):
            before = world.maker.machine.elapsed_ns()
            await suspend(world, Random(seed))
            counted_s.append(seconds(world.maker.machine.elapsed_ns() - before))

    run(world.loop, sleep_often())
    assert min(counted_s) == 0.0
    assert max(counted_s) > 10.0 * 0.95


def test_no_process_sees_a_clock_step_back(tmp_path: Path) -> None:
    """As one did that was started on a machine asleep (`mm sim --seed 701477` of then): what it had
    cancelled a moment ago counted for as long as that machine had slept."""
    world = World(draw(4, tuple(FAULTS)), tmp_path)
    machine = world.maker.machine

    async def read() -> None:
        machine.elapsed_ns()

    async def read_meanwhile() -> None:
        told = machine.elapsed_ns()
        await asyncio.sleep(10.0)
        await Host(world.loop, "maker", "10.0.0.2").start(read(), "main")
        with pytest.raises(AssertionError, match="step back"):
            machine.has_stood_since(told)

    run(world.loop, read_meanwhile())


def test_a_spent_address_need_not_follow_the_price() -> None:
    """Its one action in ten seconds goes to a side without an order."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start()
    for used, may in ((100, True), (10_000, False)):
        stage.happen(ActionBudget(stage.ts, used, 10_000))
        assert _may_follow(stage.engine) is may


def test_a_tool_that_cannot_read_a_damaged_ledger_locks_nothing(tmp_path: Path) -> None:
    """Seed 1000594: its error was taken for the daemon's."""
    world = World(structs.replace(draw(4, tuple(FAULTS)), opening=(), faults=()), tmp_path)

    async def looks(world: World) -> None:
        world.disk.path.mkdir(exist_ok=True)
        (world.disk.path / "ledger-local-x.db").write_bytes(b"no database" * 100)
        world.disk.lock()
        world.disk.unlock()

    with alone():
        run(world.loop, looks(world))


def test_a_ledger_that_no_run_has_begun_is_not_damaged(tmp_path: Path) -> None:
    """Seed 1002064: the operator brought back what knew of no run; what was traded meanwhile was
    older than that ledger."""
    world = World(structs.replace(draw(4, tuple(FAULTS)), opening=(), faults=()), tmp_path)

    async def strikes(world: World) -> None:
        world.disk.path.mkdir(exist_ok=True)
        path = world.disk.path / "ledger-local-x.db"
        open_database(path).close()
        assert not await bad_sector(world, Random(1))
        path.write_bytes(b"no database" * 100)
        assert not await bad_sector(world, Random(1))

    with alone():
        run(world.loop, strikes(world))
