"""One seed from first to last: start, first quote, faults, calm, agreement, an orderly end."""

import asyncio
import gc
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import aiohttp.connector
from msgspec import Struct

from mm.app.simulate.at_rest import AtRest, BrokenPromiseError
from mm.app.simulate.at_the_gate import AtTheGate
from mm.app.simulate.circumstances import circumstances
from mm.app.simulate.faults import FAULTS, befall, calm
from mm.app.simulate.in_turn import InTurn
from mm.app.simulate.invariants import Invariants
from mm.app.simulate.loop import run
from mm.app.simulate.losses_halt import LossesHalt
from mm.app.simulate.operator import Operator
from mm.app.simulate.plan import Plan, draw
from mm.app.simulate.reach import barred, troubled
from mm.app.simulate.standing import CHANGE_S
from mm.app.simulate.trace import silent
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World

LOOK_S: Final = 0.2
ASK_S: Final = 0.05
FIRST_QUOTE_S: Final = 60.0
AGREE_S: Final = 60.0
QUOTE_AGAIN_S: Final = 75.0
END_S: Final = 15.0
MOST_EXCUSED_S: Final = 600.0
WEIGHT_S: Final = 90.0


class Outcome(Struct, frozen=True, kw_only=True):
    """What one seed came to. `violation` "": every promise was kept."""

    seed: int
    violation: str
    virtual_s: float
    faults: dict[str, int]
    touched: dict[str, int]
    """Of the faults, those that something or somebody felt."""
    found: dict[str, int]
    """How many faults struck in which circumstances."""
    digest: str
    turns: int
    fills: int
    boots: int
    served_s: tuple[float, ...]
    """Seconds from each loss of the link until every subscription was served again, without those
    in which no client could have been."""
    quoted_s: tuple[float, ...]
    """Until nothing was left between us and quotes."""
    trace: tuple[str, ...] = ()


def simulate(seed: int, plan: Plan | None = None) -> Outcome:
    """Run this seed. The same seed gives the same outcome, digest included."""
    plan = plan or draw(seed, tuple(FAULTS))
    with tempfile.TemporaryDirectory(prefix="mm-sim-") as directory, alone():
        return _simulated(plan, Path(directory))


def _simulated(plan: Plan, directory: Path) -> Outcome:
    world, violation = World(plan, directory), ""
    story = Story(world)
    with world.trace.heard(), _own_time(world):
        try:
            run(world.loop, story.tell())
        except BrokenPromiseError as broken:
            violation = str(broken)
        except Exception as error:  # noqa: BLE001 - whatever it is, this seed has found it
            violation = f"{type(error).__name__}: {error}"
    return story.outcome(violation)


class Story:
    """What happens in a run, and who looks on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.in_turn = InTurn(world)
        self.checks = Invariants(world)
        self.gate = AtTheGate(world)
        self.at_rest = AtRest(world)
        self.losses = LossesHalt(world)
        self.operator = Operator(world)
        self.faults: Counter[str] = Counter()
        self.touched: Counter[str] = Counter()
        """Of them, those that something or somebody felt."""
        self.found: Counter[str] = Counter()
        """In how many circumstances they struck."""
        self._failed: asyncio.Future[None]

    async def tell(self) -> None:
        """Raises BrokenPromiseError."""
        self._failed = asyncio.get_running_loop().create_future()
        self.world.maker.on_turn = self._on_turn
        self.world.maker.on_resume = (self.in_turn.unlatch, self.losses.forget)
        watching = asyncio.create_task(self._watch())
        telling = asyncio.create_task(self._acts())
        await asyncio.wait((self._failed, watching, telling), return_when=asyncio.FIRST_COMPLETED)
        for one in (self._failed, watching, telling):
            if one.done():
                await one

    def _on_turn(self, *what: Any) -> None:  # noqa: ANN401 - coin, engine, event, step
        try:
            self.in_turn.turn(*what)
            self.losses.turn(what[2])
        except BrokenPromiseError as broken:
            if not self._failed.done():
                self._failed.set_exception(broken)

    async def _acts(self) -> None:
        world = self.world
        world.venue.start()
        await asyncio.sleep(0.5)
        self._supervising = asyncio.create_task(world.maker.supervise())
        self._supervising.add_done_callback(self._noticed)
        differs = self.at_rest.disagreement
        if world.plan.opening:
            await self._befall(world.plan.opening)
            await self._recover()
        await self._quotes(FIRST_QUOTE_S)
        world.trace.say("story", "the first quote: now the faults")
        await self._misfortune()
        await self._recover()
        await self._quotes(QUOTE_AGAIN_S)
        world.venue.hush()
        await self._until(lambda: not world.venue.throttled, WEIGHT_S, lambda: "429")
        await asyncio.sleep(world.venue.funding_soon_s)
        await self._until(lambda: not (differs() or self._paid_soon), AGREE_S, differs)
        self._supervising.cancel()
        await self._end()

    async def _recover(self) -> None:
        """Nothing is wrong, no minute's weight spent any more; what the operator set he lifts."""
        world = self.world
        calm(world)
        crashing = world.venue.throttled or not world.maker.running  # it spends request weight
        patience_s = AGREE_S + (WEIGHT_S if crashing else 0.0)
        await self._until(self._connected, patience_s, lambda: "no daemon with a link")
        await self._until(lambda: not world.venue.refuses, WEIGHT_S, lambda: "429")
        world.maker.lift()

    async def _quotes(self, within_s: float) -> None:
        """Both sides of every coin; what a halt for a loss takes of that time, a market that moves
        on may take again and again, and what a position takes that leaves no order under the
        portfolio's limit, a market in which nobody trades."""
        self.at_rest.expect_quotes()
        why, began = self.at_rest.unquoted, self.operator.lost_s
        deadline, full_s = self.world.now + within_s, 0.0
        while reason := why():
            excused_s = min(self.operator.lost_s - began + full_s, MOST_EXCUSED_S)
            if self.world.now > deadline + excused_s:
                raise BrokenPromiseError(f"not within {within_s:g} s: {reason}")
            full_s += ASK_S if self.at_rest.full() else 0.0
            await asyncio.sleep(ASK_S)

    @property
    def _paid_soon(self) -> bool:
        """Who agrees just before a funding, and leaves, is not told of it."""
        return self.world.venue.funding_soon_s > 0.0

    def _noticed(self, ended: "asyncio.Task[None]") -> None:
        """Not even the simulation's own parts fail unseen."""
        if not ended.cancelled() and (error := ended.exception()) and not self._failed.done():
            self._failed.set_exception(error)

    def _connected(self) -> bool:
        engines = self.world.maker.engines.values()
        linked = bool(engines) and all(engine.state.link_up for engine in engines)
        writer = self.world.disk.writer
        doomed = writer is not None and writer.has_failed
        return self.world.maker.running and linked and not doomed

    async def _misfortune(self) -> None:
        until = self.world.now + self.world.plan.busy_s
        await self._befall(self.world.plan.faults)
        await asyncio.sleep(max(0.0, until - self.world.now))

    async def _befall(self, faults: tuple[tuple[float, str], ...]) -> None:
        """All of them, each at its time, until the last is over."""
        began, lasting = self.world.now, []
        for at_s, name in faults:
            await asyncio.sleep(max(0.0, began + at_s - self.world.now))
            lasting.append(asyncio.create_task(self._strike(name)))
            lasting[-1].add_done_callback(self._noticed)
        await asyncio.wait(lasting) if lasting else None

    async def _strike(self, name: str) -> None:
        self.faults[name] += 1
        self.found.update(circumstances(self.world))
        self.touched[name] += await befall(self.world, name)

    async def _end(self) -> None:
        world = self.world
        host, ends = world.maker.host, len(world.maker.exits)
        if host is None:
            raise BrokenPromiseError("no daemon")
        world.trace.say("story", "SIGTERM")
        host.terminate()
        await self._until(lambda: len(world.maker.exits) > ends, END_S, lambda: "it does not end")
        await asyncio.sleep(1.0)
        self.at_rest.ended()
        if differs := world.maker.replay_differs():
            raise BrokenPromiseError(differs)

    async def _until(
        self, question: Callable[[], bool], within_s: float, why: Callable[[], str]
    ) -> None:
        deadline = self.world.now + within_s
        while not question():
            if self.world.now > deadline:
                raise BrokenPromiseError(f"not within {within_s:g} s: {why()}")
            await asyncio.sleep(ASK_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._excuse()
            self.world.maker.losses.look(LOOK_S, barred=barred(self.world))
            for one in (self.checks, self.gate, self.in_turn, self.losses):
                one.look()
            self.operator.look(LOOK_S)

    def _excuse(self) -> None:
        """Until a little after a trouble nobody can be reached."""
        world = self.world
        if troubled(world):
            self.checks.excused_until = world.now + 12.0
        elif world.maker.host is not None and world.maker.host.frozen:
            self.checks.excused_until = max(self.checks.excused_until, world.now + CHANGE_S)

    def outcome(self, violation: str) -> Outcome:
        world = self.world
        fills = world.venue.exchange.fills(USER)
        return Outcome(
            seed=world.plan.seed,
            violation=violation,
            virtual_s=world.now - 1000.0,
            faults=dict(self.faults),
            touched=dict(self.touched),
            found=dict(self.found),
            digest=world.trace.digest(),
            turns=self.in_turn.turns,
            fills=len(fills),
            boots=world.maker.boots,
            served_s=tuple(world.maker.losses.served_s),
            quoted_s=tuple(world.maker.losses.quoted_s),
            trace=tuple(world.trace.lines),
        )


@contextmanager
def alone() -> Iterator[None]:
    """No garbage collector meanwhile: what is let go runs its `finally` clauses, and when that
    happens must not depend on the machine. Afterwards nobody listens to the dead."""
    _freeze_imports()
    gc.disable()
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with silent():
            yield
            gc.collect()
    finally:
        gc.enable()
        logging.disable(level)
        sys.unraisablehook = hook


@cache
def _freeze_imports() -> None:
    """Once: what is imported is not looked through again after each run."""
    gc.collect()
    gc.freeze()


@contextmanager
def _own_time(world: World) -> Iterator[None]:
    """aiohttp ages its idle connections by the process's clock: here by the loop's."""
    before = aiohttp.connector.monotonic  # type: ignore[attr-defined]  # its import
    aiohttp.connector.monotonic = world.loop.time  # type: ignore[attr-defined]  # its import
    try:
        yield
    finally:
        aiohttp.connector.monotonic = before  # type: ignore[attr-defined]  # its import
