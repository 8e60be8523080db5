"""One aggressive order is one observation: fills or prints of one side and venue time.

How many lots it takes is estimated nowhere: what is expected of fills (target rate, ETA, whether a
market is too thin) is counted in arrivals, and how many levels one reaches follows from κ and the
ladder alone (`mm explain` prints both).
"""

from collections.abc import Iterator

from msgspec import Struct

from mm.core.stochastic.timeline import forget
from mm.model.events import Fill, Levels, Trades
from mm.model.units import NS_PER_S, Ns, Side, depth_bps

SETTLE_NS = NS_PER_S
"""Time for the other fills, prints and books of the same venue time to reach us."""
REMEMBER_NS = 600 * NS_PER_S

Reach = tuple[float, float]
"""The reach beyond S lies in [near, far), bps."""


class Arrival(Struct):
    """An aggressive order that took our quotes: `price` is the deepest that it filled."""

    side: Side
    venue_ts: Ns
    ts: Ns
    price: float


class OwnArrivals:
    """Fills of our quotes, grouped; handed over once settled."""

    __slots__ = ("_closed", "_open", "trade_ids")

    def __init__(self) -> None:
        self._open: dict[tuple[Side, Ns], Arrival] = {}
        self._closed: dict[tuple[Side, Ns], Ns] = {}
        self.trade_ids: dict[int, Ns] = {}

    def learn(self, fill: Fill) -> bool:
        """True where this fill opens an arrival; False where it is part of one."""
        self.trade_ids[fill.trade_id] = fill.ts
        key = (fill.side, fill.venue_ts)
        if key in self._closed:
            return False
        price = float(fill.price)
        arrival = self._open.get(key)
        if arrival is None:
            self._open[key] = Arrival(fill.side, fill.venue_ts, fill.ts, price)
            return True
        if fill.side * (arrival.price - price) > 0:
            arrival.price = price
        return False

    def settled(self, ts: Ns) -> list[Arrival]:
        """Those that no fill can join any more, oldest first."""
        due = [a for a in self._open.values() if ts - a.ts >= SETTLE_NS]
        for arrival in due:
            del self._open[arrival.side, arrival.venue_ts]
            self._closed[arrival.side, arrival.venue_ts] = ts
        forget(self._closed, ts - REMEMBER_NS)
        forget(self.trade_ids, ts - REMEMBER_NS)
        return due


class Sweep(Struct):
    """A public aggressive order: what it printed, and the foreign book before it."""

    side: Side
    """The side of the book that it took from."""
    venue_ts: Ns
    ts: Ns
    price: float
    trade_ids: list[int]
    levels: Levels


class PublicArrivals:
    """Public prints, grouped by aggressor and venue time. `learn` only keeps a reference."""

    __slots__ = ("_messages", "_open")

    def __init__(self) -> None:
        self._messages: list[tuple[Trades, Levels, Levels]] = []
        self._open: dict[tuple[Side, Ns], Sweep] = {}

    def learn(self, event: Trades, bids: Levels, asks: Levels) -> None:
        self._messages.append((event, bids, asks))

    def settled(self, ts: Ns, own: dict[int, Ns]) -> Iterator[Sweep]:
        """Orders that no print can join any more and that did not fill us (`own` trade ids)."""
        for event, bids, asks in self._messages:
            self._group(event, bids, asks)
        self._messages.clear()
        due = [key for key, sweep in self._open.items() if ts - sweep.ts >= SETTLE_NS]
        for key in due:
            sweep = self._open.pop(key)
            if not any(trade_id in own for trade_id in sweep.trade_ids):
                yield sweep

    def _group(self, event: Trades, bids: Levels, asks: Levels) -> None:
        for trade in event.trades:
            key = (trade.aggressor, trade.venue_ts)
            sweep = self._open.get(key)
            if sweep is None:
                side = trade.aggressor.opposite
                levels = bids if side is Side.BID else asks
                self._open[key] = Sweep(
                    side, trade.venue_ts, event.ts, trade.price, [trade.trade_id], levels
                )
                continue
            sweep.trade_ids.append(trade.trade_id)
            if sweep.side * (sweep.price - trade.price) > 0:
                sweep.price = trade.price


def reach(side: Side, price: float, fair: float, beyond: Iterator[float]) -> Reach:
    """[δ, δ') of an order that took `price` and stopped before the nearest price `beyond`."""
    near = max(depth_bps(side, price, fair), 0.0)
    further = (depth_bps(side, p, fair) for p in beyond)
    return near, min((d for d in further if d > near + 1e-9), default=float("inf"))
