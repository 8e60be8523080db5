"""A market fed from outside, as a venue's public data comes in: it does not know of our orders."""

from collections import deque
from typing import TypeAlias

from mm.model.events import Bbo, Book, Levels, Reference, Trade
from mm.model.instrument import Instrument
from mm.model.units import Ns, Side
from mm.sim.market import Background, FundingRate, MarketEvent, Oracle, Taker

DUST = 1e-9  # what is left of a size after float subtraction
Touch: TypeAlias = tuple[float, float] | None
"""(price, size)."""


class LiveMarket:
    """What is shown becomes background, prints become takers, the oracle stays the oracle.

    Events happen when they are heard (`at_ms`). Satisfies `mm.sim.market.Market`; the exchange must
    be told to `look` after each call.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids: Levels = ()
        self.asks: Levels = ()
        self.venue_ts: Ns = 0
        """Of the newest display."""
        self._depth: tuple[Levels, Levels] = ((), ())
        self._depth_ts: Ns = 0
        self._touch: tuple[Touch, Touch] = (None, None)
        self._taken: dict[Side, dict[float, float]] = {Side.BID: {}, Side.ASK: {}}
        """What our orders have had of the levels still shown, by side and price."""
        self._pending: deque[MarketEvent] = deque()

    def next_ms(self) -> int | None:
        return self._pending[0].time_ms if self._pending else None

    def pop(self) -> MarketEvent:
        """Raises IndexError where nothing was heard since."""
        return self._pending.popleft()

    @property
    def is_shown(self) -> bool:
        """Is a display known?"""
        return self.venue_ts > 0

    def forget(self) -> None:
        """The feed was lost: what it showed says nothing of now."""
        self._depth, self._depth_ts = ((), ()), 0
        self.bids, self.asks, self.venue_ts = (), (), 0
        self._taken = {Side.BID: {}, Side.ASK: {}}

    # -- what is heard --------------------------------------------------------------------------

    def show(self, at_ms: int, shown: Book | Bbo) -> None:
        """The newest depth behind the newest touch, in whatever order they come."""
        if isinstance(shown, Book) and shown.venue_ts >= self._depth_ts:
            self._depth, self._depth_ts = (shown.bids, shown.asks), shown.venue_ts
        if shown.venue_ts >= self.venue_ts:
            self._touch, self.venue_ts = _touches(shown), shown.venue_ts
        self.bids = _with_touch(self._depth[0], self._touch[0], Side.BID)
        self.asks = _with_touch(self._depth[1], self._touch[1], Side.ASK)
        left = [self._left(side, shown) for side, shown in self._sides]
        self._pending.append(Background(at_ms, *left))

    def took(self, side: Side, limit: float, size: float) -> None:
        """Orders of ours at `limit` had so much of levels on `side` that were shown beyond it.

        The same levels shown again have it no more: whoever stood there would have gone.
        """
        taken = self._taken[side]
        for price, shown in dict(self._sides)[side]:
            part = min(size, shown - taken.get(price, 0.0))
            if size <= 0.0 or side * (price - limit) < 0.0:
                return
            taken[price] = taken.get(price, 0.0) + part
            size -= part

    @property
    def _sides(self) -> tuple[tuple[Side, Levels], tuple[Side, Levels]]:
        return (Side.BID, self.bids), (Side.ASK, self.asks)

    def _left(self, side: Side, shown: Levels) -> Levels:
        taken = self._taken[side]
        if not taken:
            return shown
        sizes = dict(shown)
        known = {price: min(had, sizes[price]) for price, had in taken.items() if price in sizes}
        self._taken[side] = known
        left = ((price, size - known.get(price, 0.0)) for price, size in shown)
        return tuple([level for level in left if level[1] > DUST])

    def trade(self, at_ms: int, trade: Trade) -> None:
        self._pending.append(Taker(at_ms, trade.aggressor, trade.price, trade.size))

    def refer(self, at_ms: int, reference: Reference) -> None:
        self._pending.append(Oracle(at_ms, reference.oracle))
        self._pending.append(FundingRate(at_ms, reference.funding_rate))


def _touches(shown: Book | Bbo) -> tuple[Touch, Touch]:
    if isinstance(shown, Bbo):
        return shown.bid, shown.ask
    bids, asks = shown.bids, shown.asks
    return (bids[0] if bids else None), (asks[0] if asks else None)


def _with_touch(levels: Levels, touch: Touch, side: Side) -> Levels:
    """These levels behind this touch; None: the side is empty."""
    if touch is None:
        return ()
    return (touch, *(level for level in levels if side * (touch[0] - level[0]) > 0.0))
