"""Estimators to compare with our own: the truth, and what public bots do."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from mm.core.settings import EngineSettings
from mm.core.stochastic.adverse_selection import AdverseSelection
from mm.core.stochastic.components import StochasticComponents
from mm.model.estimate import Estimate, Source
from mm.model.events import Levels, Trades
from mm.model.units import Ns, Side, depth_bps, nanoseconds
from mm.sim.truth import Truth

WINDOW_S = 600.0
REFIT_S = 5.0
GRID = 24
LEAST = 10
"""Orders in the window without which there is no fit."""
LEAST_BPS = 1e-3
KAPPA_LIMITS = (1e-3, 1e2)
FULL = ("sigma", "intensity", "adverse")
"""All that the truth can be told of."""


class KnownAdverse(AdverseSelection):
    """Says the true a, whatever it measures."""

    __slots__ = ("_bps",)

    def __init__(self, settings: EngineSettings, bps: float) -> None:
        super().__init__(settings.stochastic.adverse)
        self._bps = bps

    def adverse_bps(self, side: Side, sigma: float) -> float:
        return self._bps


class Informed(StochasticComponents):
    """Told the truth about some of "sigma", "intensity" and "adverse"; learns the rest."""

    __slots__ = ("_known", "_truth")

    def __init__(self, settings: EngineSettings, truth: Truth, known: frozenset[str]) -> None:
        super().__init__(settings.stochastic, settings.strategy)
        self._truth, self._known = truth, known
        if "adverse" in known:
            self.adverse = KnownAdverse(settings, truth.adverse_bps)

    def sigma(self, ts: Ns) -> Estimate | None:
        """The whole risk of S, jumps included: what inventory is exposed to."""
        if "sigma" not in self._known:
            return super().sigma(ts)
        value = self._truth.sigma_total
        return Estimate(value, value, value, math.inf, Source.PRIOR, None)

    def intensity_point(self, ts: Ns) -> tuple[float, float] | None:
        if "intensity" not in self._known:
            return super().intensity_point(ts)
        return self._truth.kappa, self._truth.arrival


class Regression(StochasticComponents):
    """κ and A from ten minutes of public trades, as in the published GLFT tutorials: count the
    orders that reached each depth from the mid, and fit a line to the logarithm of the counts.

    The bot's own fills are among the trades, and an order's reach ends where the book has orders.
    σ and a are our own estimators', which the public bots do not have.
    """

    __slots__ = ("_depths", "_fitted_at", "_point", "_reach")

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings.stochastic, settings.strategy)
        self._depths: deque[tuple[Ns, float]] = deque()
        self._reach: dict[tuple[Ns, Side], float] = {}
        self._point: tuple[float, float] | None = None
        self._fitted_at: Ns = 0

    def learn_trades(self, event: Trades, bids: Levels, asks: Levels) -> None:
        super().learn_trades(event, bids, asks)
        if self._fair is None:
            return
        for trade in event.trades:
            key = trade.venue_ts, trade.aggressor
            depth = depth_bps(trade.aggressor.opposite, trade.price, self._fair)
            self._reach[key] = max(depth, self._reach.get(key, -math.inf))

    def intensity_point(self, ts: Ns) -> tuple[float, float] | None:
        if ts - self._fitted_at >= nanoseconds(REFIT_S):
            self._fitted_at = ts
            self._depths.extend((at, depth) for (at, _), depth in self._reach.items())
            self._reach.clear()
            while self._depths and self._depths[0][0] < ts - nanoseconds(WINDOW_S):
                self._depths.popleft()
            self._point = fit([depth for _, depth in self._depths]) or self._point
        return self._point or super().intensity_point(ts)


def fit(depths: Sequence[float]) -> tuple[float, float] | None:
    """(κ, A of one side): ln of the rate of orders at least so deep, on a grid, by least squares.

    None where there are too few orders, or the line does not fall.
    """
    if len(depths) < LEAST or max(depths) < LEAST_BPS:
        return None
    found = np.sort(np.array(depths))
    grid = np.linspace(0.0, found[-1], GRID, endpoint=False)
    counts = len(found) - np.searchsorted(found, grid)
    slope, start = np.polyfit(grid, np.log(counts / WINDOW_S), 1)
    if -slope < KAPPA_LIMITS[0]:
        return None
    return float(min(-slope, KAPPA_LIMITS[1])), float(np.exp(start)) / 2.0
