"""Real frames through the public feed to a paper exchange: what the venue sends is understood."""

from decimal import Decimal
from pathlib import Path

import pytest

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from mm.adapters.tape_lines import TapeReport, raw_lines, split_line
from mm.app.config_paper import PaperConfig
from mm.app.paper_exchange import PaperExchange
from mm.model.actions import Place
from mm.model.events import Book, Event, Fill, OrderOpened, Rejected, Trades
from mm.model.units import NS_PER_MS, Ns, Side
from mm.sim.scripted import BTC

TAPE = Path(__file__).parents[2].parent / "shared" / "data" / "hyperliquid" / "btc_20250126.gz"

recorded = pytest.mark.skipif(
    not TAPE.exists(), reason=f"the recordings are missing: {TAPE} is not there"
)


class Clock:
    def __init__(self) -> None:
        self.at: Ns = 0

    def now(self) -> Ns:
        return self.at


class Stage:
    """The feed's audience; a bid and an ask at the first touch."""

    def __init__(self) -> None:
        self.clock = clock = Clock()
        settings = VenueSettings(network="local", coins=("BTC",), base_url="http://127.0.0.1:1")
        self.feed = PublicFeed(settings, clock, Health(clock, NO_HOOKS), self)
        self.heard: list[Public] = []
        self.told: list[Event] = []
        self.exchange: PaperExchange | None = None

    def play(self) -> None:
        for line in raw_lines(TAPE, TapeReport()):
            self.clock.at, frame = split_line(line)
            self.feed.on_frame(frame.decode(), self.clock.at)

    def on_up(self) -> None:
        """Never: no socket was opened."""

    def on_lost(self, reason: str) -> None:
        """Nor lost."""

    def on_market(self, coin: str, event: Public) -> None:
        assert coin == "BTC"
        self.heard.append(event)
        if self.exchange is None and isinstance(event, Book):
            self._begin(event)
        elif self.exchange is not None:
            self.exchange.hear("BTC", event)

    def _begin(self, book: Book) -> None:
        paper = PaperConfig(round_trip_ms=100.0, round_trip_log_sd=0.0)
        coins = {"BTC": (BTC, self.told.append)}
        self.exchange = exchange = PaperExchange(coins, paper, self.clock.now, lambda *_: None)
        exchange.open_account("BTC", Decimal(0), Decimal(1_000_000))
        exchange.hear("BTC", book)
        size = Decimal("0.01")
        bid, ask = (Decimal(str(side[0][0])) for side in (book.bids, book.asks))
        quotes = (Place("0xb", Side.BID, 1, bid, size), Place("0xa", Side.ASK, 1, ask, size))
        exchange.send("BTC", quotes)


@recorded
def test_a_recorded_minute_of_the_venue_fills_as_it_traded() -> None:
    stage = Stage()
    stage.play()

    books = [event for event in stage.heard if isinstance(event, Book)]
    prints = [trade for e in stage.heard if isinstance(e, Trades) for trade in e.trades]
    fills = [event for event in stage.told if isinstance(event, Fill)]
    assert len(books) > 20
    assert len(prints) > 20
    assert len({(trade.venue_ts, trade.trade_id) for trade in prints}) == len(prints)
    assert {event.cloid for event in stage.told if isinstance(event, OrderOpened)} == {"0xa", "0xb"}
    assert not [event for event in stage.told if isinstance(event, Rejected)]
    first, resting = books[0], books[0].ts + 170 * NS_PER_MS
    for fill in fills:
        price = first.bids[0][0] if fill.side is Side.BID else first.asks[0][0]
        assert float(fill.price) == price
        through = [
            trade for trade in prints
            if trade.aggressor is fill.side.opposite and fill.side * (trade.price - price) <= 0
        ]  # fmt: skip
        over = [b for b in books if b.ts > resting and _stands_over(b, fill.side, price)]
        assert through or over
    over_or_through = {
        side
        for side, levels in ((Side.BID, first.bids), (Side.ASK, first.asks))
        if any(
            trade.aggressor is side.opposite and side * (trade.price - levels[0][0]) < 0
            for trade in prints
            if trade.venue_ts > resting
        )
    }
    assert over_or_through <= {fill.side for fill in fills}


def _stands_over(book: Book, side: Side, price: float) -> bool:
    opposite = book.asks if side is Side.BID else book.bids
    return bool(opposite) and side * (opposite[0][0] - price) <= 0
