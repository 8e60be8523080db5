"""An exchange on a generated market that measures, almost exactly, what a user's quotes are worth.

`mm.sim.optimum` defines the utility. To sum it over fills would take weeks of market time for a
per cent. Here expectations given what rests stand in for luck: takers reach a depth at a known
rate, so a resting order earns λ(δ)·(δ - c) a second, whether or not one comes. What fills do to the
worth θ of inventory is added as well, and the change of θ from start to end taken off again: on
average that is nothing, and for the optimum it leaves nothing to chance at all.

Fills by the moving background, which no rate predicts, count as they happen.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from mm.model.exchange import Answer, FillReport, OrderReport, Report
from mm.model.units import BPS, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.flow import GeneratedMarket
from mm.sim.market import MarketEvent, Taker
from mm.sim.optimum import Maker, Optimum, cost_bps
from mm.sim.truth import Truth


class Watched(GeneratedMarket):
    """A generated market that remembers when its last taker came."""

    taker_ms = -1

    def pop(self) -> MarketEvent:
        event = super().pop()
        if isinstance(event, Taker):
            self.taker_ms = event.time_ms
        return event


class Yardstick(Struct, frozen=True, kw_only=True):
    """Whose quotes are measured, and against what."""

    user: str
    lot: float
    """Base units."""
    truth: Truth
    maker: Maker
    optimum: Optimum


class Totals(Struct, kw_only=True):
    """Sums since measuring began, in bps·lot: divide by `time_s`."""

    time_s: float = 0.0
    utility: float = 0.0
    edge: float = 0.0
    """δ - c, as expected of what rested."""
    arrivals: float = 0.0
    """Expected number of takers that reached a quote."""
    squares: float = 0.0
    """∫q² dt, lots² s."""
    risk: float = 0.0
    drift: float = 0.0
    filled_edge: float = 0.0
    """δ - c of the fills that came."""
    fills: int = 0
    crossings: int = 0
    """Fills by the moving background."""


class Level(Struct, frozen=True, gc=False):
    price: float
    lots: float


class Rates(Struct, frozen=True, gc=False):
    """Per second, while nothing changes."""

    gain: float = 0.0
    """Edge and change of θ by takers."""
    edge: float = 0.0
    arrivals: float = 0.0


class Gauge(Exchange):
    """Measures from `begin` on."""

    def __init__(
        self, market: Watched, start_ms: int, options: ExchangeOptions, yardstick: Yardstick
    ) -> None:
        super().__init__([market], start_ms, options)
        self.yardstick = yardstick
        self.totals = Totals()
        self._market_watched = market
        self._cost = cost_bps(yardstick.truth, yardstick.maker)
        self._began = False
        self._at_ms = start_ms
        self._mid = market.mid
        self._levels: dict[Side, tuple[Level, ...]] = {Side.BID: (), Side.ASK: ()}
        self._lots = 0.0
        self._start_worth = 0.0
        self._rates = Rates()

    def begin(self) -> None:
        """Count from now on; what came before was warming up."""
        self.totals = Totals()
        self._began = True
        self._start_worth = self.worth(self._lots)

    @property
    def utility(self) -> float:
        """So far, bps·lot per second."""
        gained = self.totals.utility - (self.worth(self._lots) - self._start_worth)
        return gained / self.totals.time_s

    def worth(self, lots: float) -> float:
        """θ, linear between whole lots and beyond the bound as its last step."""
        value, bound = self.yardstick.optimum.value, self.yardstick.maker.bound
        place = lots + bound
        low = min(max(math.floor(place), 0), 2 * bound - 1)
        return value[low] + (place - low) * (value[low + 1] - value[low])

    def advance(self, now_ms: int) -> list[Answer | Report]:
        if self._began and now_ms > self._at_ms:
            self._accrue((now_ms - self._at_ms) / 1e3)
        self._at_ms = max(now_ms, self._at_ms)
        told = super().advance(now_ms)
        own = [r for r in told if isinstance(r, FillReport | OrderReport) and self._is_own(r)]
        if own:
            self._follow(own)
        if own or self._market_watched.mid != self._mid:
            self._mid = self._market_watched.mid
            self._rates = self._expect()
        return told

    def _is_own(self, report: FillReport | OrderReport) -> bool:
        return report.user == self.yardstick.user

    # -- as time passes -------------------------------------------------------------------------

    def _accrue(self, span_s: float) -> None:
        truth, totals, rates = self.yardstick.truth, self.totals, self._rates
        squares = self._lots * self._lots
        drift = truth.drift_bps_per_s * self._lots
        risk = 0.5 * self.yardstick.maker.gamma * truth.sigma_total**2 * squares
        totals.time_s += span_s
        totals.utility += span_s * (rates.gain + drift - risk)
        totals.edge += span_s * rates.edge
        totals.arrivals += span_s * rates.arrivals
        totals.squares += span_s * squares
        totals.risk += span_s * risk
        totals.drift += span_s * drift

    def _expect(self) -> Rates:
        """A taker takes every level up to its reach: its worth is a sum over levels, each at its
        own λ(δ), of its edge and of what it changes in θ after the levels before it."""
        truth = self.yardstick.truth
        gain = edge = arrivals = 0.0
        for side, levels in self._levels.items():
            lots, worth = self._lots, self.worth(self._lots)
            for index, level in enumerate(levels):
                depth = side * BPS * (self._mid - level.price) / self._mid
                rate = truth.intensity(depth)
                lots += side * level.lots
                after = self.worth(lots)
                earned = rate * level.lots * (depth - self._cost)
                edge += earned
                gain += earned + rate * (after - worth)
                arrivals += rate if index == 0 else 0.0
                worth = after
        return Rates(gain, edge, arrivals)

    # -- as things happen -----------------------------------------------------------------------

    def _follow(self, reports: Sequence[FillReport | OrderReport]) -> None:
        for report in reports:
            if isinstance(report, FillReport):
                self._fill(report)
        levels: dict[Side, list[Level]] = {Side.BID: [], Side.ASK: []}
        for row in self.open_orders(self.yardstick.user):
            lots = float(row.remaining) / self.yardstick.lot
            levels[row.side].append(Level(float(row.price), lots))
        for side, found in levels.items():
            self._levels[side] = tuple(sorted(found, key=lambda level: -side * level.price))

    def _fill(self, fill: FillReport) -> None:
        market, totals = self._market_watched, self.totals
        lots = float(fill.trade.size) / self.yardstick.lot
        depth = fill.side * BPS * (market.mid - float(fill.trade.price)) / market.mid
        before, self._lots = self._lots, self._lots + fill.side * lots
        if not self._began:
            return
        crossing = fill.trade.time_ms != market.taker_ms
        edge = lots * (depth - (self.yardstick.maker.fee_bps if crossing else self._cost))
        totals.fills += 1
        totals.filled_edge += edge
        if crossing:
            totals.crossings += 1
            totals.utility += edge + self.worth(self._lots) - self.worth(before)
