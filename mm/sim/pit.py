"""One instrument's trading floor: its book, its prices, its tape."""

from collections import deque
from decimal import Decimal

from mm.model.events import Levels
from mm.model.exchange import AssetContext, BboReport, TradeReport
from mm.model.units import Side
from mm.sim.funding import IMPACT_NOTIONAL_USD, Funding, premium_of
from mm.sim.grid import Grid, usd
from mm.sim.market import Market
from mm.sim.matching import Book, Touch
from mm.sim.queue import QueueModel

NEVER = 1 << 62
KEPT_TRADES = 500
DAY_HOURS = 24
IMPACT_LEVELS = 20


class Pit:
    """State of one market. Prices are the grid's integers; None until something is known."""

    __slots__ = (
        "_bbo",
        "_days",
        "book",
        "funding",
        "grid",
        "last_price",
        "market",
        "market_ms",
        "oracle",
        "traded_lots",
        "traded_micro",
        "trades",
    )

    def __init__(self, market: Market, queue: QueueModel, funding: Funding) -> None:
        self.market = market
        self.grid = Grid(market.instrument)
        self.book = Book(self.grid, queue)
        self.funding = funding
        self.oracle: int | None = None
        self.last_price: int | None = None
        self.trades: deque[TradeReport] = deque(maxlen=KEPT_TRADES)
        self.traded_lots = 0
        self.traded_micro = 0
        self.market_ms = NEVER
        self._bbo: tuple[Touch | None, Touch | None] = (None, None)
        self._days: deque[tuple[int, int, int]] = deque(maxlen=DAY_HOURS)
        self.look_ahead()

    @property
    def coin(self) -> str:
        return self.grid.instrument.name

    def look_ahead(self) -> None:
        """Remember when the market has its next event; NEVER at the end of a recording."""
        next_ms = self.market.next_ms()
        self.market_ms = NEVER if next_ms is None else next_ms

    # -- prices ---------------------------------------------------------------------------------

    @property
    def mark(self) -> int:
        """The oracle held inside the background's touch; without one its mid, or the last price.

        So neither a stale oracle nor a client's order moves anybody's margin. 0: nothing known.
        """
        bid, ask = self.book.bids.shown_best(), self.book.asks.shown_best()
        if self.oracle is not None:
            price = self.oracle
            if bid is not None:
                price = max(price, bid)
            return price if ask is None else min(price, -ask)
        if bid is not None and ask is not None:
            return (bid - ask) // 2
        return self.last_price or 0

    @property
    def mark_unit(self) -> int:
        """Micro-USD per lot at mark."""
        return self.mark * self.grid.micro

    def premium(self) -> float | None:
        """Of the impact prices over the oracle; None where one of them is missing."""
        return self._premium(self.impact_price(Side.BID), self.impact_price(Side.ASK))

    def _premium(self, bid: float | None, ask: float | None) -> float | None:
        if bid is None or ask is None or not self.oracle:
            return None
        return premium_of(bid, ask, self.oracle)

    @property
    def mid(self) -> Decimal | None:
        """Between the best prices; None where a side is empty."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        return None if bid is None or ask is None else self.grid.price_out(bid - ask) / 2

    def impact_price(self, side: Side) -> float | None:
        """Average price of trading the impact notional against `side`, in grid units.

        Where the visible book is smaller than that: of all of it.
        """
        wanted = IMPACT_NOTIONAL_USD * 1e6 / self.grid.micro
        lots = spent = 0.0
        for price, size in self.book.half(side).sizes(IMPACT_LEVELS):
            part = min(size, (wanted - spent) / price)
            lots += part
            spent += part * price
            if part < size:
                break
        return spent / lots if lots else None

    # -- reports --------------------------------------------------------------------------------

    def bbo(self, now_ms: int) -> BboReport | None:
        """The touch, if it is not what was last reported."""
        touches = (self.book.bids.touch(), self.book.asks.touch())
        if touches == self._bbo:
            return None
        self._bbo = touches
        bid, ask = (None if touch is None else self._out(touch) for touch in touches)
        return BboReport(self.coin, now_ms, bid, ask)

    def _out(self, touch: Touch) -> tuple[Decimal, Decimal, int]:
        return self.grid.price_out(touch.price), self.grid.size_out(touch.size), touch.orders

    def levels(self, side: Side, depth: int) -> Levels:
        """Merged book in floats, for display."""
        grid = self.grid
        return tuple(
            (price / grid.price_scale, size / grid.size_scale)
            for price, size in self.book.half(side).sizes(depth)
        )

    def counts(self, side: Side, depth: int) -> tuple[int, ...]:
        return tuple(level.orders for level in self.book.half(side).ladder(depth))

    def print(self, trade: TradeReport, price: int, size: int) -> None:
        """Put a trade on the tape."""
        self.trades.append(trade)
        self.last_price = price
        self.traded_lots += size
        self.traded_micro += self.grid.notional(price, size)

    def close_hour(self) -> None:
        """Note price and volume, so that the context can say what changed in 24 h."""
        self._days.append((self.mark, self.traded_micro, self.traded_lots))

    def context(self, open_interest: int) -> AssetContext:
        grid = self.grid
        mark = self.mark
        price, micro, lots = self._days[0] if self._days else (mark, 0, 0)
        impact_bid, impact_ask = self.impact_price(Side.BID), self.impact_price(Side.ASK)
        premium = self._premium(impact_bid, impact_ask)
        return AssetContext(
            funding=Decimal(repr(self.funding.rate)),
            open_interest=grid.size_out(open_interest),
            previous_day_price=grid.price_out(price),
            day_notional=usd(self.traded_micro - micro),
            day_base=grid.size_out(self.traded_lots - lots),
            premium=None if premium is None else round(Decimal(premium), 10),
            oracle=grid.price_out(mark if self.oracle is None else self.oracle),
            mark=grid.price_out(mark),
            mid=self.mid,
            impact_bid=None if impact_bid is None else grid.price_out(round(impact_bid)),
            impact_ask=None if impact_ask is None else grid.price_out(round(impact_ask)),
        )
