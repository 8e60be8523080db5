"""Exploration and entropy cost few edits: sizes change when the posterior does, not each cycle."""

import math
from decimal import Decimal

import pytest
from msgspec import Struct, structs

from mm.app.backtest import Backtest, Pace
from mm.core.diff import GROW, SHRINK
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.core.strategy.distribution import entropy
from mm.model.actions import Modify, Step
from mm.model.events import Event, Tick
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset

START_MS = 1_700_000_000_000
LEVELS = 10
"""Of both sides."""


class Edits(Struct):
    """What was done to resting orders: `resized` besides a new price or not, `size_only`."""

    resized: int = 0
    size_only: int = 0
    repriced: int = 0
    updates: int = 0
    """Arrivals that the posterior learned from and, exploring, draws."""


class Clerk:
    """Compares each modify with the order as it rested."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.edits = Edits()
        self.entropies: list[float] = []
        """At each Tick, of each side that rests in full."""
        self._resting: dict[str, tuple[Decimal, Decimal]] = {}

    def record(self, event: Event, step: Step) -> None:
        for action in step.actions:
            if isinstance(action, Modify) and action.cloid in self._resting:
                self._judge(action, *self._resting[action.cloid])
        if isinstance(event, Tick):
            self._weigh()
        orders = self.engine.state.orders
        self._resting = {order.cloid: (order.price, order.remaining) for order in orders}

    def _weigh(self) -> None:
        for side in Side:
            resting = [o for o in self.engine.state.orders.side(side) if o.live and not o.busy]
            if len(resting) == self.engine.settings.strategy.levels:
                self.entropies.append(entropy([float(o.remaining) for o in resting]))

    def _judge(self, action: Modify, price: Decimal, size: Decimal) -> None:
        moved = action.price != price
        resized = size * GROW < action.size or size > action.size * SHRINK
        self.edits.repriced += moved
        self.edits.resized += resized
        self.edits.size_only += resized and not moved


def worked(scenario: str, exploration: str, minutes: float) -> Clerk:
    market = build_market(preset(scenario), 5, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=5))
    base = EngineSettings()
    strategy = structs.replace(base.strategy, exploration=exploration)
    engine = Engine(structs.replace(base, strategy=strategy), market.instrument)
    clerk = Clerk(engine)
    backtest = Backtest(engine, exchange, START_MS, Pace(), [clerk])
    backtest.run(START_MS + round(minutes * 60_000))
    components = engine.learning.components
    draws = components.thompson.draws if components.thompson is not None else 0
    clerk.edits.updates = max(components.intensity.total, draws)
    return clerk


@pytest.mark.parametrize("exploration", ["none", "thompson"])
def test_a_busy_market_has_less_than_one_size_change_per_level_and_update(
    exploration: str,
) -> None:
    """Counting also the sizes that ride on a new price, for which no edit is sent."""
    edits = worked("liquid", exploration, 6.0).edits
    assert edits.updates > 50
    assert edits.repriced > edits.resized
    assert edits.resized < LEVELS * edits.updates
    assert edits.size_only < 0.1 * LEVELS * edits.updates


def test_while_nothing_is_learned_a_draw_causes_less_than_one_edit_per_level() -> None:
    """Hardly a fill in a quarter of an hour: one draw at the start, one after ten minutes."""
    edits = worked("thin", "thompson", 15.0).edits
    assert 2 <= edits.updates <= 12
    assert edits.repriced > 100
    assert edits.size_only < LEVELS * edits.updates


@pytest.mark.parametrize("exploration", ["none", "thompson"])
def test_what_rests_has_the_entropy_that_was_asked_for(exploration: str) -> None:
    """Orders at the exchange, after all filters and hysteresis: not what was wanted."""
    entropies = worked("liquid", exploration, 3.0).entropies
    wanted = EngineSettings().strategy.entropy_ratio * math.log(5)

    assert len(entropies) > 100
    assert min(entropies) > 0.9 * wanted
    assert math.fsum(entropies) / len(entropies) > 0.98 * wanted
