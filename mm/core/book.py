"""The market without ourselves: foreign touch and fair price from books, touches and oracle."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from mm.model.events import Account, Bbo, Book, Levels
from mm.model.units import BPS, NS_PER_S, SIDES, Ns, Side

HISTORY_NS = 60 * NS_PER_S
DRIFT = 1e-3
OWN_LINGER_NS = 2 * NS_PER_S
"""A snapshot may show an order of ours for this long after we learned that it is gone."""


OwnSizes: TypeAlias = Iterable[tuple[Side, float, float]]


class OwnDepth:
    """Our own size by price, as a snapshot received now may still show it.

    Each tracked order counts at its largest size, and for `OWN_LINGER_NS` after it was last
    tracked: hiding too much only costs a foreign level at exactly our price.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Side, float, float]] = []
        self._tracked: dict[Side, dict[float, float]] = {side: {} for side in SIDES}
        self._gone: dict[tuple[Side, float], tuple[float, Ns]] = {}
        self._looked: Ns = 0

    def at(self, ts: Ns, tracked: OwnSizes) -> dict[Side, dict[float, float]]:
        """Size by price, side by side."""
        rows = list(tracked)
        if rows != self._rows:
            self._track(rows)
        self._looked = ts
        if not self._gone:
            return self._tracked
        self._gone = {key: gone for key, gone in self._gone.items() if gone[1] >= ts}
        sizes = {side: dict(known) for side, known in self._tracked.items()}
        for (side, price), (size, _) in self._gone.items():
            sizes[side][price] = size
        return sizes

    def _track(self, rows: list[tuple[Side, float, float]]) -> None:
        """Other orders, or others of their sizes: what was tracked until the last look lingers."""
        before = self._tracked
        now: dict[Side, dict[float, float]] = {side: {} for side in SIDES}
        for side, price, size in rows:
            now[side][price] = now[side].get(price, 0.0) + size
            self._gone.pop((side, price), None)
        until = self._looked + OWN_LINGER_NS
        for side, known in before.items():
            for price, size in known.items():
                if price not in now[side]:
                    self._gone[side, price] = (size, until)
        self._rows, self._tracked = rows, now


class Lag:
    """How much later than usual news arrives: a backlog of old frames is not a fresh feed.

    Clocks differ by a constant that nobody knows and drift slowly: the least lag seen counts as
    none, and may rise by `DRIFT` of the time that passes. Where they drift faster, or somebody sets
    one, answers to our own questions tell.
    """

    def __init__(self) -> None:
        self._least: Ns | None = None
        self._at: Ns = 0

    def excess(self, ts: Ns, lag: Ns) -> Ns:
        if self._least is None:
            self._least, self._at = lag, ts
        self._least = min(lag, self._least + int(DRIFT * (ts - self._at)))
        self._at = ts
        return lag - self._least

    def hear(self, asked: Ns, told: Ns) -> None:
        """The venue's clock has shown `told` after we asked at `asked`, by ours: nothing that it
        has told since can have lagged by less."""
        if self._least is not None:
            self._least = max(self._least, asked - told)


def foreign(levels: Levels, own: Mapping[float, float], step: float) -> Levels:
    """The levels that stand without our size; half a size step is nobody's order."""
    if own.keys().isdisjoint([price for price, _ in levels]):
        return levels
    return tuple(
        (price, size - own.get(price, 0.0))
        for price, size in levels
        if size - own.get(price, 0.0) > 0.5 * step
    )


def behind(levels: Levels, price: float, side: Side) -> Levels:
    """The levels that are further from the market than `price`."""
    for index, level in enumerate(levels):
        if side * (price - level[0]) > 0:
            return levels[index:]
    return ()


class MarketBook:
    """Folds Book and Bbo into foreign levels, touch and fair price S.

    Where a side is empty without us, S stays at its last value, bounded by the oracle.
    """

    def __init__(self, size_step: float, microprice: bool, max_oracle_bps: float) -> None:
        self.step = size_step
        self._microprice = microprice
        self._max_oracle_bps = max_oracle_bps
        self._own = OwnDepth()
        self._lag = Lag()
        self.bids: Levels = ()
        self.asks: Levels = ()
        self.touch_ts: Ns = 0
        self.seen_ts: Ns | None = None
        self.oracle: float | None = None
        self.fair: float | None = None
        self._history: deque[tuple[Ns, float]] = deque()

    def apply(self, event: Book | Bbo, tracked: OwnSizes) -> None:
        """Take a snapshot; `tracked`: (side, price, size) of our own orders, to be left out.

        One that is older than what we hold, by the venue's clock, says nothing new.
        """
        fresh_as_of = event.ts - self._lag.excess(event.ts, event.ts - event.venue_ts)
        self.seen_ts = max(self.seen_ts or fresh_as_of, fresh_as_of)
        if event.venue_ts < self.touch_ts:
            return
        self.touch_ts = event.venue_ts
        own = self._own.at(event.ts, tracked)
        if isinstance(event, Book):
            bids = foreign(event.bids, own[Side.BID], self.step)
            asks = foreign(event.asks, own[Side.ASK], self.step)
            self.bids = bids or self._behind(self.bids, event.bids, Side.BID)
            self.asks = asks or self._behind(self.asks, event.asks, Side.ASK)
        else:
            self.bids = self._merge(self.bids, event.bid, own[Side.BID], Side.BID)
            self.asks = self._merge(self.asks, event.ask, own[Side.ASK], Side.ASK)
        self._update_fair(event.venue_ts)

    def hear_clock(self, event: Account) -> None:
        """Where it is an answer from another machine."""
        if event.asked_ts:
            self._lag.hear(event.asked_ts, event.venue_ts)

    @staticmethod
    def _behind(known: Levels, shown: Levels, side: Side) -> Levels:
        """Our ladder fills the whole snapshot: what we knew beyond its last level still stands."""
        if not shown:
            return ()
        return behind(known, shown[-1][0], side)

    def _merge(
        self,
        known: Levels,
        touch: tuple[float, float] | None,
        own: Mapping[float, float],
        side: Side,
    ) -> Levels:
        if touch is None:
            return ()
        return foreign((touch,), own, self.step) + behind(known, touch[0], side)

    def _update_fair(self, venue_ts: Ns) -> None:
        fair = self._mid()
        if fair is None:
            fair = self._bounded(self.fair)
        if fair is None:
            return
        self.fair = fair
        self._history.append((venue_ts, fair))
        while self._history[0][0] < venue_ts - HISTORY_NS and len(self._history) > 1:
            self._history.popleft()

    def _mid(self) -> float | None:
        if not (self.bids and self.asks):
            return None
        (bid, bid_size), (ask, ask_size) = self.bids[0], self.asks[0]
        if not 0 < bid < ask:
            return None
        if self._microprice:
            return bid + (ask - bid) * (bid_size / (bid_size + ask_size))
        return 0.5 * (bid + ask)

    def _bounded(self, fair: float | None) -> float | None:
        if fair is None or self.oracle is None:
            return fair
        reach = self._max_oracle_bps / BPS * self.oracle
        return min(max(fair, self.oracle - reach), self.oracle + reach)

    def fair_before(self, venue_ts: Ns) -> float | None:
        """The last S whose `venue_ts` is before this one; the oldest known if all are later."""
        for ts, fair in reversed(self._history):
            if ts < venue_ts:
                return fair
        return self._history[0][1] if self._history else None

    @property
    def fair_source(self) -> str:
        """What S is: "mid" or "microprice", "last" where a side is empty, "" before the first."""
        if self.fair is None:
            return ""
        if self._mid() is None:
            return "last"
        return "microprice" if self._microprice else "mid"

    @property
    def bid(self) -> float | None:
        return self.bids[0][0] if self.bids else None

    @property
    def ask(self) -> float | None:
        return self.asks[0][0] if self.asks else None

    def half_spread_bps(self) -> float | None:
        if not (self.bid and self.ask and self.bid < self.ask):
            return None
        return 0.5 * BPS * (self.ask - self.bid) / (0.5 * (self.ask + self.bid))
