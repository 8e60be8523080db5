"""One coin on paper: what its engine is told of the market, of its orders, and of itself in it."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import structs

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.nonce import NonceAllocator
from mm.adapters.hyperliquid.public_feed import Public
from mm.app.translate import Translator
from mm.model.actions import Action
from mm.model.events import (
    Account,
    Bbo,
    Book,
    Event,
    Fill,
    FromVenue,
    Levels,
    Reference,
    Trade,
    Trades,
)
from mm.model.exchange import Answer, BboReport, FillReport, OrderReport, OrderRow, Report
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, Ns, Side
from mm.sim.exchange import Exchange
from mm.sim.live import LiveMarket

USER = "0x" + "9a" * 20

Touch: TypeAlias = tuple[float, float] | None


class PaperMarket:
    """Between a coin's engine and the exchange, which several of them share.

    What is told is stamped with the venue's time of the newest display, prints and their fills
    with that of the print. Our orders are shown in the book, as the venue would show them.
    """

    def __init__(
        self, instrument: Instrument, tell: Callable[[Event], None], nonces: NonceAllocator
    ) -> None:
        self.coin = instrument.name
        self.live = LiveMarket(instrument)
        self.tell = tell
        self._translator = Translator(instrument, USER, 0, nonces)
        self._told_touch: tuple[Touch, Touch] = (None, None)

    def tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.tell(event)

    # -- our orders -----------------------------------------------------------------------------

    def submit(self, exchange: Exchange, actions: Sequence[Action], at_ms: int) -> None:
        self._translator.submit(exchange, actions, at_ms)

    def concerns(self, output: Answer | Report) -> bool:
        match output:
            case Answer():
                return self._translator.asked(output)
            case BboReport():
                return False  # displays are told as they were heard
            case FillReport(trade=held) | OrderReport(order=held):
                return held.coin == self.coin
            case _:
                return output.coin == self.coin

    def events(self, output: Answer | Report, now: Ns, venue_ts: Ns | None) -> list[Event]:
        stamp = venue_ts or self.live.venue_ts or now
        return [_stamped(event, stamp) for event in self._translator.events(output, now)]

    # -- the market -----------------------------------------------------------------------------

    def show(self, event: Book | Bbo, exchange: Exchange) -> None:
        """The display with our orders in it."""
        bids, asks = self._display(exchange)
        venue_ts = self.live.venue_ts
        self._told_touch = _touch(bids), _touch(asks)
        if isinstance(event, Book):
            self.tell(Book(event.ts, venue_ts, bids, asks))
        else:
            self.tell(Bbo(event.ts, venue_ts, *self._told_touch))

    def show_touch(self, now: Ns, exchange: Exchange) -> None:
        """Our own orders may have changed the touch."""
        if not self.live.is_shown:
            return
        bids, asks = self._display(exchange)
        touch = _touch(bids), _touch(asks)
        if touch != self._told_touch:
            self._told_touch = touch
            self.tell(Bbo(now, self.live.venue_ts, *touch))

    def _display(self, exchange: Exchange) -> tuple[Levels, Levels]:
        own, live = self.open_orders(exchange), self.live
        return with_own(live.bids, own, Side.BID), with_own(live.asks, own, Side.ASK)

    def take(self, event: Public, now_ms: int) -> None:
        """Let it happen in the exchange, all but prints."""
        if isinstance(event, Reference):
            self.live.refer(now_ms, event)
        elif isinstance(event, Book | Bbo):
            self.live.show(now_ms, event)

    def settle(self, told: Iterable[Event]) -> None:
        """Fills that no print explains took what is shown: resting ones, a display that came over
        them; a flatten, the touch."""
        for event in told:
            if isinstance(event, Fill):
                self.live.took(event.side.opposite, float(event.price), float(event.size))

    # -- the account ----------------------------------------------------------------------------

    def open_orders(self, exchange: Exchange) -> list[OrderRow]:
        return [row for row in exchange.open_orders(USER) if row.coin == self.coin]

    def account(self, exchange: Exchange, now: Ns) -> Account:
        state = exchange.account(USER, now // NS_PER_MS, dex_of(self.coin))
        sizes = (row.size for row in state.positions if row.coin == self.coin)
        orders = self._translator.open_orders(exchange.open_orders(USER))
        venue_ts = self.live.venue_ts or now
        return Account(now, venue_ts, now, sum(sizes, Decimal(0)), state.equity, orders)


def as_one_message(ts: Ns, told: Iterable[Event]) -> tuple[Event, ...]:
    """All prints in one event, then the rest. Those that filled us are among them under the id of
    the fill, so that nobody takes them for the public's."""
    prints: list[Trade] = []
    rest: list[Event] = []
    for one in told:
        if isinstance(one, Trades):
            prints += one.trades
        else:
            rest.append(one)
    return (Trades(ts, tuple(prints)), *rest)


def with_own(levels: Levels, own: Iterable[OrderRow], side: Side) -> Levels:
    """These levels with our orders of this side among them, best first."""
    ours = [order for order in own if order.side is side]
    if not ours:
        return levels
    sizes = dict(levels)
    for order in ours:
        price = float(order.price)
        sizes[price] = sizes.get(price, 0.0) + float(order.remaining)
    return tuple(sorted(sizes.items(), reverse=side is Side.BID))


def _touch(levels: Levels) -> Touch:
    return levels[0] if levels else None


def _stamped(event: Event, venue_ts: Ns) -> Event:
    if isinstance(event, Trades):
        prints = tuple(structs.replace(one, venue_ts=venue_ts) for one in event.trades)
        return structs.replace(event, trades=prints)
    return structs.replace(event, venue_ts=venue_ts) if isinstance(event, FromVenue) else event
