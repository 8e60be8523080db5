"""Each reason to halt, in each state: kept twice, exported, shown; and a halt that fails."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from mm.adapters.latch import Latch
from mm.adapters.ledger import Ledger
from mm.adapters.ledger_schema import open_database
from mm.adapters.ledger_writer import InlineWriter
from mm.adapters.metrics import Metrics
from mm.adapters.web.face import Face
from mm.app.daemon import LedgerRecorder, MetricsRecorder, Narrator
from mm.app.ports import Recorder
from mm.app.simulate.fault_wire import drop_abrupt
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import alone
from mm.app.simulate.world import World
from mm.app.turn import turn
from mm.core import halting
from mm.core.engine import Engine, Outcome
from mm.core.kill_switch import KillSwitch
from mm.core.state import State
from mm.model.actions import Step
from mm.model.events import Event
from mm.model.view import HealthView, View
from tests.core.stage import INSTRUMENT, Stage, settings
from tests.core.test_halt_matrix import LINKS, ORDERS, POSITIONS, REASONS, met

COIN = INSTRUMENT.name


class Taped(Engine):
    """An engine whose turns are recorded as the daemon's are."""

    recorders: Sequence[Recorder] = ()

    def step(self, event: Event) -> Step:
        return super().step(event) if self._in_turn else self._turn(event)

    _in_turn = False

    def _turn(self, event: Event) -> Step:
        self._in_turn = True
        try:
            return turn(self, self.recorders, event)
        finally:
            self._in_turn = False


class Shown:
    """What the page asks of a running engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def view(self) -> View:
        return self._engine.view()

    def health(self) -> HealthView:
        return HealthView(
            uptime_s=1.0, feed_age_s={}, reconnects=0, loop_lag_s=0.0, journal_dropped=0
        )

    def ready(self) -> tuple[bool, str]:
        safety = self.view().safety
        return safety.ready, safety.halt_reason

    def command(self, verb: str, reason: str) -> None:
        """Nobody clicks."""


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(("position", "orders", "link"), list(product(POSITIONS, ORDERS, LINKS)))
def test_a_halt_is_kept_exported_and_shown(
    tmp_path: Path, reason: str, position: str, orders: str, link: str
) -> None:
    page = Latch.open(tmp_path / "one.latch", sync=lambda _: None)
    ledger = Ledger(InlineWriter(open_database(":memory:"), ":memory:"), page)
    engine, metrics, narrator = Taped(settings(), INSTRUMENT), Metrics(COIN), Narrator(_unsaid)
    face = narrator.face = Face(Shown(engine), metrics)
    engine.recorders = [LedgerRecorder(ledger, COIN), MetricsRecorder(metrics), narrator]
    stage = met(position, orders, link, Stage(engine))
    assert ledger.state(COIN, stage.ts).halted == ""

    REASONS[reason](stage)
    for _ in range(3):
        stage.lone_tick()

    halted = engine.view().safety.halt_reason
    assert halted.startswith(reason)
    latched = ledger.read(lambda db: db.execute("SELECT reason FROM latches").fetchall())
    assert latched == [(halted,)]
    assert ledger.state(COIN, stage.ts).halted == halted
    with closing(Latch.open(tmp_path / "one.latch")) as again:
        assert halted.startswith(again.reason(COIN))
        assert again.reason(COIN).startswith(reason)
    face.measure()
    exported = metrics.render().decode()
    assert f'mm_halted{{instrument="{COIN}"}} 1.0' in exported
    shown = msgspec.to_builtins(face.state((COIN,)))
    assert (shown["ready"], shown["view"]["safety"]["state"]) == (False, "halted")
    assert shown["reason"] == halted
    told = [n for n in face.history.notes if n.text.startswith(("Halted", "Command: halt"))]
    assert len(told) == 1

    if reason != "position breach":  # which is still there
        stage.command("resume")
        assert ledger.state(COIN, stage.ts).halted == ""
    ledger.close()


def _unsaid(*_: object) -> None:
    """No log."""


def ordered(world: World, _: pytest.MonkeyPatch, verb: str) -> None:
    world.maker.command(verb)


def lost(_: World, patch: pytest.MonkeyPatch, reason: str) -> None:
    """From the next turn on, whatever it is about."""
    patch.setattr(KillSwitch, "halt_reason", lambda *_: reason)


WAYS: dict[str, Callable[[World, pytest.MonkeyPatch, str], None]] = {
    "halt": ordered,
    "flatten": ordered,
    "drawdown: too much": lost,
}


@pytest.mark.parametrize("dropped_s", [None, 0.0, 0.3])
@pytest.mark.parametrize("why", WAYS)
def test_where_halting_itself_fails_the_exit_cancels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, dropped_s: float | None
) -> None:
    """Once, in a task that is not one of the daemon's, as those of the page are, or in one that is;
    connected, as the link is lost, and while it is set up again."""
    leave = halting.leave
    failures: list[str] = []
    world = World(structs.replace(draw(4, tuple(FAULTS)), faults=()), tmp_path)

    def fail_once(state: State, reason: str, event: Event) -> Outcome:
        if not failures:
            failures.append(reason)
            raise RuntimeError("the handler of a halt fails")
        return leave(state, reason, event)

    async def script(world: World) -> None:
        world.venue.start()
        await asyncio.sleep(0.5)
        host = world.maker._start()
        while not world.venue.orders():  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(0.1)
        monkeypatch.setattr(halting, "leave", fail_once)
        if dropped_s is not None:
            await drop_abrupt(world, world.random)
            await asyncio.sleep(dropped_s)
            linked = {engine.state.link_up for engine in world.maker.engines.values()}
            assert linked == {dropped_s == 0.0}, "at first nobody has noticed"
            assert world.venue.orders()
        WAYS[why](world, monkeypatch, why)
        await asyncio.sleep(8.0)
        assert not host.tasks()

    with alone(), world.trace.heard():
        run(world.loop, script(world))
        resting, exits = world.venue.orders(), world.maker.exits
        del world  # for `alone` to let go of the dead
    assert resting == []
    assert failures
    assert exits == [(1, "")]
