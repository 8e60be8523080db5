"""A market that stands still but for its takers, which the estimators are shown through events."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from mm.core.settings import IntensitySettings, StochasticSettings, StrategySettings
from mm.core.stochastic.components import StochasticComponents
from mm.model.events import Fill
from mm.model.units import NS_PER_S, Side, nanoseconds

START = 1_700_000_000 * NS_PER_S
FAIR = 10_000.0
"""One price unit is one basis point."""
Depths = Callable[["TakerMarket"], tuple[float, ...]]
"""Of the levels that rest when the next taker comes, bps."""


class TakerMarket:
    """Takers come at rate A a side and reach Exp(κ) beyond S, or as `reach` draws it.

    Each takes every level up to its reach; the estimators learn of it as of live fills.
    """

    def __init__(
        self,
        kappa: float,
        arrival: float,
        seed: int,
        prior: float,
        reach: Callable[[Random], float] | None = None,
    ) -> None:
        intensity = IntensitySettings(kappa_prior=prior)
        self.components = StochasticComponents(
            StochasticSettings(intensity=intensity), StrategySettings()
        )
        self.deepest: list[float] = []
        """Depth of the deepest fill of each arrival."""
        self.takers = 0
        self.random = Random(seed)
        self._resting: tuple[float, ...] = ()
        self._reach = reach or (lambda random: random.expovariate(kappa))
        self.arrival = arrival
        self._ts = START
        self._trades = 0
        self.components.learn_fair(START, START, FAIR, 1.0)

    def comes(self) -> tuple[float, Side]:
        """After how many seconds the next taker comes, and which side of the book it takes."""
        wait_s = self.random.expovariate(2.0 * self.arrival)
        return wait_s, self.random.choice((Side.BID, Side.ASK))

    def run(self, depths: Depths, arrivals: int) -> None:
        """Until so many arrivals more have filled us."""
        wanted = len(self.deepest) + arrivals
        while len(self.deepest) < wanted:
            self._rest(depths(self))
            self._taker()
        self._ts += 2 * NS_PER_S
        self.components.flush(self._ts)

    def _rest(self, levels: tuple[float, ...]) -> None:
        if levels == self._resting:
            return
        self._resting = levels
        for side in Side:
            prices = tuple(FAIR - side * depth for depth in levels)
            self.components.learn_levels(self._ts, self._ts, side, prices)

    def _taker(self) -> None:
        """The next one, whether or not it reaches us."""
        self.takers += 1
        wait_s, side = self.comes()
        self._ts += nanoseconds(wait_s) + 1
        reach = self._reach(self.random)
        taken = [depth for depth in self._resting if depth <= reach]
        for depth in taken:
            self.components.learn_fill(self._fill(side, FAIR - side * depth))
        if taken:
            self.deepest.append(taken[-1])
            self.components.flush(self._ts)

    def _fill(self, side: Side, price: float) -> Fill:
        self._trades += 1
        return Fill(
            ts=self._ts,
            venue_ts=self._ts,
            trade_id=self._trades,
            cloid=str(self._trades),
            oid=self._trades,
            side=side,
            price=Decimal(repr(price)),
            size=Decimal(1),
            fee=Decimal(0),
            start_position=Decimal(0),
            quote=True,
        )
