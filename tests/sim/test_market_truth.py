"""The generated market's truth survives the exchange: rates, markouts and few crossings."""

import math
from decimal import Decimal

import pytest

from mm.model.exchange import (
    CancelOrders,
    FillReport,
    OrderRef,
    OrderSpec,
    PlaceOrders,
    Signed,
    Tif,
)
from mm.model.units import Side, depth_bps
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.flow import GeneratedMarket
from mm.sim.market import Background, MarketEvent, Taker
from mm.sim.scenario import Depth, Mid, Scenario, Takers
from mm.sim.scenarios import PRESETS, build_market, preset, truth
from mm.sim.scripted import Session

QUOTER = "0x" + "1" * 40
LEVELS = 5
SIZE = Decimal("0.0002")
REQUOTE_BPS = 1.0


class Watched:
    """A market that remembers what it last said."""

    def __init__(self, market: GeneratedMarket) -> None:
        self.instrument = market.instrument
        self.published = math.nan
        """The mid of the foreign book, as anybody can see it."""
        self.takers: list[Taker] = []
        self._market = market

    def next_ms(self) -> int:
        return self._market.next_ms()

    def pop(self) -> MarketEvent:
        event = self._market.pop()
        if isinstance(event, Background):
            self.published = (event.bids[0][0] + event.asks[0][0]) / 2
        elif isinstance(event, Taker):
            self.takers = [t for t in self.takers if t.time_ms == event.time_ms] + [event]
        return event

    def reached(self, fill: FillReport) -> bool:
        """Whether a taker explains this fill; else the moving background crossed the quote."""
        price = float(fill.trade.price)
        return any(
            taker.time_ms == fill.trade.time_ms
            and taker.aggressor is fill.side.opposite
            and taker.aggressor * (taker.limit - price) >= 0.0
            for taker in self.takers
        )


class Quoter:
    """A ladder around the published mid, moved when that has moved, a second's thought late."""

    def __init__(self, scenario: Scenario, speed: float, first_bps: float) -> None:
        self.market = Watched(build_market(scenario, 3, 0, speed))
        self.exchange = Exchange([self.market], 0, ExchangeOptions(enforce_budget=False))
        self.session = Session(self.exchange, 0)
        self.told = truth(scenario, speed)
        self.fills: list[FillReport] = []
        self.crossed = 0
        self.expected = 0.0
        """∫ Σ over sides of A·exp(-κδ) dt at the closest resting order."""
        self.arrivals: set[tuple[int, Side]] = set()
        self.markouts_due: list[tuple[int, Side, float]] = []
        self.markouts: list[float] = []
        self._first_bps = first_bps
        self._quoted = math.nan

    def run(self, minutes: float, think_ms: int = 250, horizon_ms: int = 5_000) -> None:
        now_ms, think_at = 0, 0
        while now_ms < minutes * 60_000:
            if now_ms >= think_at:
                think_at = now_ms + think_ms
                self._requote(now_ms)
            next_ms = max(now_ms, min(self.exchange.next_ms(), think_at))
            self.expected += self._intensity() * (next_ms - now_ms) / 1e3
            self._settle_markouts(next_ms - horizon_ms)
            before = self.market.published
            for report in self.session.run(next_ms):
                if isinstance(report, FillReport):
                    self._filled(report, before, next_ms)
            now_ms = next_ms

    def _filled(self, fill: FillReport, before: float, now_ms: int) -> None:
        self.fills.append(fill)
        self._quoted = math.nan
        if not self.market.reached(fill):
            self.crossed += 1
            return
        if (now_ms, fill.side) not in self.arrivals:
            self.arrivals.add((now_ms, fill.side))
            self.markouts_due.append((now_ms, fill.side, before))

    def _settle_markouts(self, until_ms: int) -> None:
        while self.markouts_due and self.markouts_due[0][0] <= until_ms:
            _, side, before = self.markouts_due.pop(0)
            self.markouts.append(depth_bps(side, self.market.published, before))

    def _intensity(self) -> float:
        total = 0.0
        for side in Side:
            depths = [
                depth_bps(side, float(order.price), self.market.published)
                for order in self.exchange.open_orders(QUOTER)
                if order.side is side
            ]
            total += self.told.intensity(min(depths)) if depths else 0.0
        return total

    def _requote(self, now_ms: int) -> None:
        if math.isnan(self.market.published):
            return
        if abs(self.market.published / self._quoted - 1.0) * 1e4 <= REQUOTE_BPS:
            return
        self._quoted = mid = self.market.published
        refs = tuple(OrderRef(0, oid=order.oid) for order in self.exchange.open_orders(QUOTER))
        if refs:
            self.exchange.submit(Signed(QUOTER, self.session.nonce(), CancelOrders(refs)), now_ms)
        specs = tuple(self._spec(mid, side, level) for side in Side for level in range(LEVELS))
        self.exchange.submit(Signed(QUOTER, self.session.nonce(), PlaceOrders(specs)), now_ms)

    def _spec(self, mid: float, side: Side, level: int) -> OrderSpec:
        price = mid * (1.0 - side * (self._first_bps + level) / 1e4)
        return OrderSpec(0, side, self.market.instrument.round_price(price, side), SIZE, Tif.ALO)


@pytest.mark.parametrize("name", PRESETS)
def test_few_fills_are_crossings_by_the_moving_background(name: str) -> None:
    """At twice the shipped speed and at hungry depths: the worst case."""
    minutes = {"thin": 20.0, "illiquid": 15.0, "jumpy": 10.0}.get(name, 3.0)
    quoter = Quoter(preset(name), 10.0, 2.7)
    quoter.run(minutes)
    assert len(quoter.fills) > 100
    assert quoter.crossed / len(quoter.fills) < 0.05


@pytest.mark.parametrize(("first_bps", "speed"), [(1.0, 1.0), (4.0, 4.0)])
def test_arrivals_come_at_the_rate_of_the_truth(first_bps: float, speed: float) -> None:
    """Poisson given the exposure of the closest order, measured against the published mid."""
    quoter = Quoter(preset("liquid"), speed, first_bps)
    quoter.run(30.0 / speed)
    assert quoter.expected > 500
    assert abs(len(quoter.arrivals) - quoter.expected) < 4 * math.sqrt(quoter.expected)


def test_markouts_of_fills_are_the_adverse_selection_of_the_truth() -> None:
    scenario = Scenario(
        name="informed",
        mid=Mid(sigma_bps=0.3),
        takers=Takers(
            arrival_per_s=0.3, kappa_per_bps=0.2, informed_share=0.5, informed_move_bps=3.0
        ),
        depth=Depth(half_spread_bps=15.0, interval_ms=500.0),
    )
    quoter = Quoter(scenario, 1.0, 2.0)
    quoter.run(60.0)
    count = len(quoter.markouts)
    mean = sum(quoter.markouts) / count
    error = math.sqrt(sum((m - mean) ** 2 for m in quoter.markouts)) / count
    assert count > 500
    assert quoter.told.adverse_bps == 1.5
    assert abs(mean - quoter.told.adverse_bps) < 4 * error
    assert error < 0.2
