"""Sweep upon sweep, and a market that runs one way: what is held stays within its limit."""

import pytest

from mm.core.engine import Engine
from mm.model.actions import Place
from mm.model.units import NS_PER_S, Side
from tests.core.stage import INSTRUMENT, Stage, settings


def quoting() -> Stage:
    stage = Stage(Engine(settings(max_position_usd=3_000.0), INSTRUMENT))
    stage.start()
    stage.warm()
    return stage


def sweep(stage: Stage, side: Side, move: float) -> None:
    """A taker goes through all that we have on this side, and the market with him."""
    for level in sorted(o.level for o in stage.engine.state.orders if o.side is side and o.live):
        stage.fill(side, level)
    stage.book(stage.mid)
    stage.ts += NS_PER_S // 2
    stage.mid *= 1.0 - side * move
    stage.book(stage.mid)
    stage.lone_tick(0.3)


def within_limit(stage: Stage) -> None:
    """Wherever something rests that adds; what is held may outgrow it as prices move."""
    state = stage.engine.state
    for side in Side:
        resting = sum(o.remaining for o in state.orders if o.side is side)
        worst = state.pnl.position + side * resting
        assert not resting or side * float(worst) * stage.mid <= 3_000.0 * 1.02


@pytest.mark.parametrize("side", list(Side))
def test_sweep_upon_sweep_never_carries_the_position_over_its_limit(side: Side) -> None:
    stage = quoting()
    taken = []
    for _ in range(9):
        before = stage.engine.state.pnl.position
        sweep(stage, side, 0.02)
        within_limit(stage)
        taken.append(side * (stage.engine.state.pnl.position - before))
        stage.warm(2)
        within_limit(stage)
    assert sum(n > 1 for n in taken) > 1, "a second is all that it waits"
    assert max(taken[-2:]) < 1


@pytest.mark.parametrize("side", list(Side))
def test_in_the_second_after_a_sweep_nothing_new_adds_to_the_position(side: Side) -> None:
    stage = quoting()
    stage.actions.clear()
    sweep(stage, side, 0.02)
    assert not [a for a in stage.actions if isinstance(a, Place) and a.side is side]
    stage.tick()
    stage.tick()
    assert [a for a in stage.actions if isinstance(a, Place) and a.side is side]


@pytest.mark.parametrize("side", list(Side))
def test_in_a_trend_one_side_fills_until_the_limit_and_the_other_comes_closer(side: Side) -> None:
    stage = quoting()
    flat = stage.engine.view().bid if side is Side.ASK else stage.engine.view().ask
    for _ in range(40):
        if any(o.side is side and o.level == 1 and o.live for o in stage.engine.state.orders):
            stage.fill(side)
        stage.mid *= 1.0 - side * 3e-4
        stage.tick()
        within_limit(stage)
    view = stage.engine.view()
    adding, reducing = (view.bid, view.ask) if side is Side.BID else (view.ask, view.bid)
    assert adding.blocked
    assert not reducing.blocked
    assert reducing.depth_bps is not None
    assert flat.depth_bps is not None
    assert reducing.depth_bps < flat.depth_bps
