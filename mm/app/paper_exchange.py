"""The pretended venue of paper trading: the matching of a recording, driven by live data."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from random import Random
from typing import Final

from msgspec import structs

from mm.adapters.hyperliquid.public_feed import Public
from mm.app.config_paper import PaperConfig
from mm.app.translate import Translator
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Account,
    ActionBudget,
    Bbo,
    Book,
    Event,
    FromVenue,
    Levels,
    OrderClosed,
    OrderOpened,
    Reference,
    RejectCode,
    Rejected,
    RequestKind,
    Trade,
    Trades,
)
from mm.model.exchange import BboReport, FeeRates, OrderRow
from mm.model.instrument import Instrument
from mm.model.units import BPS, NS_PER_MS, Ns, Side, seconds
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.latency import Lognormal
from mm.sim.live import LiveMarket
from mm.sim.queue import Conservative, ProRata, QueueModel

USER: Final = "0x" + "9a" * 20
BLOCK_MS: Final = 70
QUEUES: Final[dict[str, QueueModel]] = {"pro_rata": ProRata, "conservative": Conservative}
KINDS: Final = {
    Place: RequestKind.PLACE,
    Modify: RequestKind.MODIFY,
    Cancel: RequestKind.CANCEL,
}

Touch = tuple[float, float] | None


class PaperExchange:
    """One account in one market, in the time of receipt; all that is to be told goes to `tell`.

    An order acts a round trip after it was sent, and its answer comes at once then: so it meets the
    events that it would have met. What is told is stamped with the venue's time of the newest
    display, prints and their fills with that of the print. Our orders are shown in the book, as the
    venue would show them; nobody reacts to them.
    """

    def __init__(
        self,
        instrument: Instrument,
        paper: PaperConfig,
        now: Callable[[], Ns],
        tell: Callable[[Event], None],
        round_trip: Callable[[str, float], None],
    ) -> None:
        self._now = now
        self._tell = tell
        self._round_trip = round_trip
        self._delay = Lognormal(paper.round_trip_ms, paper.round_trip_log_sd)
        self._rng = Random(paper.seed)  # noqa: S311 - delays, not secrets
        self._market = LiveMarket(instrument)
        options = ExchangeOptions(
            block_ms=BLOCK_MS,
            faucet=False,
            fees=FeeRates(_rate(paper.maker_fee_bps), _rate(paper.taker_fee_bps)),
            queue=QUEUES[paper.queue],
            seed=paper.seed,
        )
        self._exchange = Exchange([self._market], now() // NS_PER_MS, options)
        self._translator = Translator(instrument, USER, latency=0)
        self._wire: deque[tuple[Ns, tuple[Action, ...]]] = deque()
        self._sent: dict[str, tuple[RequestKind, Ns]] = {}
        self._told_touch: tuple[Touch, Touch] = (None, None)
        self._ahead_ms = 0

    def open_account(self, position: Decimal, cash: Decimal) -> None:
        """`cash` USD: all of its equity but the position's worth."""
        coin = self._market.instrument.name
        self._exchange.restore(USER, coin, position, cash)

    # -- our orders -----------------------------------------------------------------------------

    def send(self, actions: Sequence[Action]) -> None:
        """On their way; one connection carries them, so none overtakes another."""
        now = self._now()
        last = self._wire[-1][0] if self._wire else now
        due = max(last, now + int(self._delay.one_way_ms(self._rng) * NS_PER_MS))
        self._wire.append((due, tuple(actions)))
        for action in actions:
            if isinstance(action, Place | Modify | Cancel):
                self._sent[action.cloid] = (KINDS[type(action)], now)

    def open_orders(self) -> Sequence[OrderRow]:
        return self._exchange.open_orders(USER)

    def withdraw(self, why: str) -> None:
        """Cancel all at once, also what is on its way.

        Twice: what waited for its block when this began rests after it.
        """
        for _, actions in self._wire:
            self._refuse(actions, why)
        self._wire.clear()
        for _ in range(2 if self._may_rest else 0):
            self._translator.submit(self._exchange, (CancelAll(why),), self._now_ms())
            self._ahead_ms = self._now_ms() + 2 * BLOCK_MS
            self._tell_all(self._advance())

    @property
    def _may_rest(self) -> bool:
        waits = self._exchange.next_ms() <= self._now_ms() + BLOCK_MS
        return waits or bool(self.open_orders())

    def _refuse(self, actions: Iterable[Action], why: str) -> None:
        now, code = self._now(), RejectCode.OTHER
        for action in actions:
            if isinstance(action, Place | Modify):
                kind, gone = KINDS[type(action)], isinstance(action, Modify)
                self._tell(Rejected(now, action.cloid, kind, code, why, gone))

    # -- time -----------------------------------------------------------------------------------

    def next_ts(self) -> Ns:
        """When `run` next has something to do, if nothing is sent or heard before."""
        due = self._exchange.next_ms() * NS_PER_MS
        return min(due, self._wire[0][0]) if self._wire else due

    def run(self) -> None:
        """Let all happen that is due."""
        self._deliver()
        told = self._advance()
        self._tell_all(told)
        if any(isinstance(one, OrderOpened | OrderClosed) for one in told):
            self._show_touch()

    def _deliver(self) -> None:
        now = self._now()
        while self._wire and self._wire[0][0] <= now:
            due, actions = self._wire.popleft()
            at_ms = max(self._ahead_ms, due // NS_PER_MS)
            self._translator.submit(self._exchange, actions, at_ms)

    def _advance(self, venue_ts: Ns | None = None) -> list[Event]:
        """All that is due, on the venue's clock. Displays are told by `_show`, as they were heard:
        the exchange takes prints off its own, which the next display has done already."""
        now = self._now()
        self._exchange.look()
        stamp = venue_ts or self._market.venue_ts or now
        told = [
            _stamped(event, stamp)
            for output in self._exchange.advance(self._now_ms())
            if not isinstance(output, BboReport)
            for event in self._translator.events(output, now)
        ]
        for event in told:
            self._observe(event, now)
        return told

    def _observe(self, event: Event, now: Ns) -> None:
        if isinstance(event, OrderOpened | OrderClosed | Rejected):
            sent = self._sent.pop(event.cloid, None)
            if sent is not None:
                self._round_trip(sent[0].value, seconds(now - sent[1]))

    def _now_ms(self) -> int:
        return max(self._ahead_ms, self._now() // NS_PER_MS)

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    # -- the market -----------------------------------------------------------------------------

    def hear(self, event: Public) -> None:
        self._deliver()
        match event:
            case Trades():
                self._prints(event)
            case Reference():
                self._market.refer(self._now_ms(), event)
                self._tell_all(self._advance())
                self._tell(event)
            case Book() | Bbo():
                self._market.show(self._now_ms(), event)
                self._tell_all(self._advance())
                self._show(event)

    def forget(self) -> None:
        """The feed was lost: what it showed says nothing of what comes."""
        self._market.forget()

    def _prints(self, event: Trades) -> None:
        """One message is told as one, with the prints that filled us in it: both carry one id, so
        that nobody takes them for the public's."""
        told: list[Event] = []
        for trade in event.trades:
            self._market.trade(self._now_ms(), trade)
            told += self._advance(trade.venue_ts)
        prints: list[Trade] = []
        for one in told:
            prints += one.trades if isinstance(one, Trades) else ()
        self._tell(Trades(event.ts, tuple(prints)))
        self._tell_all(one for one in told if not isinstance(one, Trades))

    def _show(self, event: Book | Bbo) -> None:
        """The display with our orders in it."""
        bids, asks = self._display()
        venue_ts = self._market.venue_ts
        self._told_touch = _touch(bids), _touch(asks)
        if isinstance(event, Book):
            self._tell(Book(event.ts, venue_ts, bids, asks))
        else:
            self._tell(Bbo(event.ts, venue_ts, *self._told_touch))

    def _show_touch(self) -> None:
        """Our own orders may have changed the touch."""
        if not self._market.is_shown:
            return
        bids, asks = self._display()
        touch = _touch(bids), _touch(asks)
        if touch != self._told_touch:
            self._told_touch = touch
            self._tell(Bbo(self._now(), self._market.venue_ts, *touch))

    def _display(self) -> tuple[Levels, Levels]:
        own, market = self.open_orders(), self._market
        return with_own(market.bids, own, Side.BID), with_own(market.asks, own, Side.ASK)

    # -- the account ----------------------------------------------------------------------------

    def account(self) -> Account:
        now = self._now()
        state = self._exchange.account(USER, self._now_ms())
        position = sum((row.size for row in state.positions), Decimal(0))
        orders = self._translator.open_orders(self.open_orders())
        return Account(now, self._market.venue_ts or now, now, position, state.equity, orders)

    def budget(self) -> ActionBudget:
        """As an address of this volume would have, counted from the start of this run."""
        limit = self._exchange.rate_limit(USER)
        return ActionBudget(self._now(), limit.used, limit.cap)


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


def _rate(bps: float) -> Decimal:
    return Decimal(str(bps)) / Decimal(int(BPS))
