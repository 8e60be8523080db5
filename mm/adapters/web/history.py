"""What the page can show of the past: bounded rings of chart points, fills and notes."""

from collections import deque

from msgspec import Struct

from mm.adapters.metrics_rows import resting
from mm.model.actions import Note
from mm.model.estimate import Estimate
from mm.model.events import Fill
from mm.model.units import Ns, nanoseconds, seconds
from mm.model.view import OrderView, View

POINT_SPACING_NS: Ns = nanoseconds(0.5)
POINTS = 1800
TRENDS = 720
FILLS = 500
NOTES = 200


class Point(Struct, frozen=True, array_like=True, gc=False):
    """One instant of the price chart. `bids[i]` is our level i+1, None while it does not rest."""

    t_s: float
    fair: float | None
    bid: float | None
    ask: float | None
    bids: tuple[float | None, ...]
    asks: tuple[float | None, ...]


class Trend(Struct, frozen=True, array_like=True, gc=False):
    """One instant of what moves slowly: calibration, posterior, position, PnL."""

    t_s: float
    multiplier: float
    progress: float
    kappa: tuple[float, float, float] | None
    """low, mean, high"""
    arrival: tuple[float, float, float] | None
    lots: float
    pnl: float


class History:
    """Fed by `sample` a few times a second, and by fills and notes as they come."""

    def __init__(self) -> None:
        self.points: deque[Point] = deque(maxlen=POINTS)
        self.trends: list[Trend] = []
        self.fills: deque[Fill] = deque(maxlen=FILLS)
        self.notes: deque[Note] = deque(maxlen=NOTES)
        self._trend_spacing_ns: Ns = nanoseconds(1.0)
        self._last_point: Ns = 0
        self._last_trend: Ns = 0

    def sample(self, view: View) -> None:
        if view.ts - self._last_point >= POINT_SPACING_NS:
            self._last_point = view.ts
            self.points.append(point(view))
        if view.ts - self._last_trend >= self._trend_spacing_ns:
            self._last_trend = view.ts
            self.trends.append(trend(view))
        if len(self.trends) >= TRENDS:  # the whole run in bounded space: halve the resolution
            self.trends = self.trends[::2]
            self._trend_spacing_ns *= 2


def point(view: View) -> Point:
    market, orders = view.market, resting(view.orders)
    return Point(
        seconds(view.ts),
        market.fair,
        market.bid,
        market.ask,
        _levels(orders, "bid"),
        _levels(orders, "ask"),
    )


def trend(view: View) -> Trend:
    c = view.calibration
    return Trend(
        seconds(view.ts),
        c.multiplier,
        c.progress,
        _bounds(view.market.kappa),
        _bounds(view.market.arrival),
        view.position.lots,
        float(view.pnl.total),
    )


def _bounds(estimate: Estimate | None) -> tuple[float, float, float] | None:
    return None if estimate is None else (estimate.low, estimate.value, estimate.high)


def _levels(orders: list[OrderView], side: str) -> tuple[float | None, ...]:
    prices = {order.level: float(order.price) for order in orders if order.side == side}
    return tuple(prices.get(level) for level in range(1, max(prices, default=0) + 1))
