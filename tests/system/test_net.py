"""The portfolio's net limit, which no seed draws: what adds to a position never passes it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import COINS, draw
from mm.app.simulate.run import Story, alone
from mm.app.simulate.world import World
from mm.core.portfolio import Portfolio
from mm.model.actions import Modify, Place
from mm.model.units import SIDES, Side

NET_USD = 2_000.0
DRIFT = 1.02
"""Of prices since the others' orders were approved."""
SETTINGS = (
    "stochastic.volatility.max_warmup_s=3",
    "strategy.lot_usd=1000",
    "strategy.levels=3",
    "risk.max_position_usd=5000",
    "risk.max_order_usd=2000",
    "stochastic.policy=off",
    f"portfolio.max_net_usd={NET_USD}",
)


class Netted(Story):
    """Adds up all coins whenever something is sent that could add to a position."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.looks = 0
        self.most_usd = 0.0

    def _on_turn(self, *what: Any) -> None:  # noqa: ANN401 - as of a Story
        _, engine, _, step = what
        position = engine.state.pnl.position
        for side in SIDES:
            if side * position >= 0 and any(
                isinstance(one, Place | Modify) and one.side is side for one in step.actions
            ):
                self.looks += 1
                self.most_usd = max(self.most_usd, self._net_usd(side))
        super()._on_turn(*what)

    def _net_usd(self, side: Side) -> float:
        states = [engine.state for engine in self.world.maker.engines.values()]
        worst = (
            float(side * one.pnl.position + one.orders.worst_case(side)) * (one.book.fair or 0.0)
            for one in states
        )
        return sum(worst)


def most_usd(directory: Path, *faults: str) -> float:
    plan = draw(2, faults or tuple(FAULTS))
    plan = structs.replace(plan, coins=COINS, scenario="liquid", settings=SETTINGS, opening=())
    world = World(plan if faults else structs.replace(plan, faults=()), directory)
    story = Netted(world)
    with alone(), world.trace.heard():
        run(world.loop, story.tell())
        looks, most = story.looks, story.most_usd
        del world, story
    assert looks > 50
    return most


@pytest.mark.parametrize("faults", [(), ("drop_abrupt", "lost_replies", "odd_frames")])
def test_what_adds_to_a_position_stays_within_it(tmp_path: Path, faults: tuple[str, ...]) -> None:
    assert 0.5 * NET_USD < most_usd(tmp_path, *faults) < NET_USD * DRIFT


def test_a_limit_that_nobody_is_told_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Portfolio, "allowance", lambda *_: None)
    assert most_usd(tmp_path) > NET_USD * DRIFT
