"""Between the engine's vocabulary and the sans-I/O exchange's, for virtual time.

What the Hyperliquid adapter does over sockets, without them: requests out, reports in as events.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mm.adapters.hyperliquid.nonce import NonceAllocator
from mm.adapters.hyperliquid.rejects import classify, order_gone
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Bbo,
    Book,
    Event,
    Fill,
    Funding,
    OpenOrder,
    OrderClosed,
    OrderOpened,
    Rejected,
    RequestKind,
    Trade,
    Trades,
)
from mm.model.exchange import (
    Answer,
    BboReport,
    CancelOrders,
    Filled,
    FillReport,
    FundingReport,
    Item,
    LocalExchange,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderReport,
    OrderRow,
    OrderSpec,
    PlaceOrders,
    Refused,
    Report,
    Request,
    Resting,
    Signed,
    Tif,
    TradeReport,
)
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, Ns

BOOK_LEVELS = 20
Sent = tuple[RequestKind, str, int]
"""What was asked for which client id; of a modify, the venue's id of the order (else -1)."""


class Translator:
    """One user of one instrument. Remembers what each ticket asked, to match its answer."""

    def __init__(
        self,
        instrument: Instrument,
        user: str,
        latency: Ns,
        nonces: NonceAllocator | None = None,
    ) -> None:
        """`nonces`: of the user, where others act for it too."""
        self._instrument = instrument
        self._user = user
        self._latency = latency
        self._tickets: dict[int, tuple[Sent, ...]] = {}
        self._resting: set[int] = set()
        self._nonces = nonces or NonceAllocator()
        # Any: each teller takes the type that it is registered under
        self._tellers: dict[type, Callable[[Any, Ns, Ns], Iterable[Event]]] = {
            Answer: self._answer,
            BboReport: _touch,
            TradeReport: _trade,
            FillReport: self._fill,
            OrderReport: self._order,
            FundingReport: self._funding,
        }

    # -- out ------------------------------------------------------------------------------------

    def submit(self, exchange: LocalExchange, actions: Sequence[Action], now_ms: int) -> None:
        """Hand over one turn's actions: at most one bulk order, one batch modify, one cancel."""
        for request, sent in self._requests(exchange, actions):
            signed = Signed(self._user, self._nonces.next(now_ms), request)
            ticket = exchange.submit(signed, now_ms)
            self._tickets[ticket] = sent

    def _requests(
        self, exchange: LocalExchange, actions: Sequence[Action]
    ) -> Iterator[tuple[Request, tuple[Sent, ...]]]:
        places = [a for a in actions if isinstance(a, Place)]
        modifies = [a for a in actions if isinstance(a, Modify)]
        cancels = [a.cloid for a in actions if isinstance(a, Cancel)]
        if any(isinstance(a, CancelAll) for a in actions):
            rows = exchange.open_orders(self._user)
            own = [row.cloid for row in rows if row.coin == self._instrument.name]
            cancels += [cloid for cloid in own if cloid and cloid not in cancels]
        if cancels:
            asset = self._instrument.asset
            refs = tuple(OrderRef(asset, cloid=cloid) for cloid in cancels)
            yield CancelOrders(refs), tuple((RequestKind.CANCEL, c, -1) for c in cancels)
        if modifies:
            items = tuple(Modification(m.oid, self._spec(m)) for m in modifies)
            yield ModifyOrders(items), tuple((RequestKind.MODIFY, m.cloid, m.oid) for m in modifies)
        if places:
            specs = tuple(self._spec(p) for p in places)
            yield PlaceOrders(specs), tuple((RequestKind.PLACE, p.cloid, -1) for p in places)

    def _spec(self, action: Place | Modify) -> OrderSpec:
        flatten = isinstance(action, Place) and action.flatten
        return OrderSpec(
            asset=self._instrument.asset,
            side=action.side,
            price=action.price,
            size=action.size,
            tif=Tif.IOC if flatten else Tif.ALO,
            reduce_only=action.reduce_only,
            cloid=action.cloid,
        )

    # -- in -------------------------------------------------------------------------------------

    def asked(self, answer: Answer) -> bool:
        """Is it the answer to a request of ours?"""
        return answer.ticket in self._tickets

    def events(self, output: Answer | Report, at: Ns) -> Iterable[Event]:
        """What we are told of this, `latency` after it happened."""
        return self._tellers[type(output)](output, at + self._latency, at)

    def _answer(self, answer: Answer, ts: Ns, at: Ns) -> Iterator[Event]:
        sent = self._tickets.pop(answer.ticket)
        if answer.error is not None:
            code = classify(answer.error)
            for number, (kind, cloid, _) in enumerate(sent):
                yield Rejected(ts, cloid, kind, code, answer.error, echo=number > 0)
            return
        for (kind, cloid, target), item in zip(sent, answer.items, strict=True):
            if isinstance(item, Resting):
                self._resting.discard(target)
                self._resting.add(item.oid)
            yield _outcome(kind, cloid, item, ts, at)

    def _order(self, report: OrderReport, ts: Ns, _: Ns) -> Iterator[Event]:
        """What the answer did not tell already: ends of orders that we believe to rest."""
        row, at = report.order, report.time_ms * NS_PER_MS
        if report.user != self._user or row.cloid is None or row.oid not in self._resting:
            return
        if report.status != "open":
            self._resting.remove(row.oid)
            yield OrderClosed(ts, at, row.cloid, row.oid, report.status)

    def _fill(self, report: FillReport, ts: Ns, _: Ns) -> Iterator[Event]:
        if report.user == self._user:
            yield _fill(report, ts)

    def _funding(self, report: FundingReport, ts: Ns, _: Ns) -> Iterator[Event]:
        if report.user == self._user:
            at = report.time_ms * NS_PER_MS
            yield Funding(ts, at, report.usdc, float(report.rate))

    def book(self, exchange: LocalExchange, at: Ns) -> Iterator[Event]:
        bids, asks = exchange.book(self._instrument.name, BOOK_LEVELS)
        yield Book(at + self._latency, at, bids, asks)

    def open_orders(self, rows: Sequence[OrderRow]) -> tuple[OpenOrder, ...]:
        return tuple(
            OpenOrder(row.cloid, row.oid, row.side, row.price, row.remaining, row.reduce_only)
            for row in rows
            if row.coin == self._instrument.name
        )


def _outcome(kind: RequestKind, cloid: str, item: Item, ts: Ns, at: Ns) -> Event:
    match item:
        case Resting():
            return OrderOpened(ts, at, cloid, item.oid)
        case Filled():
            return OrderClosed(ts, at, cloid, item.oid, "filled")
        case Refused():
            message = item.message
            return Rejected(ts, cloid, kind, classify(message), message, order_gone(message))
        case _:
            return OrderClosed(ts, at, cloid, None, "canceled")


def _touch(report: BboReport, ts: Ns, _: Ns) -> Iterator[Event]:
    bid = report.bid and (float(report.bid[0]), float(report.bid[1]))
    ask = report.ask and (float(report.ask[0]), float(report.ask[1]))
    yield Bbo(ts, report.time_ms * NS_PER_MS, bid or None, ask or None)


def _trade(report: TradeReport, ts: Ns, _: Ns) -> Iterator[Event]:
    trade = Trade(
        report.time_ms * NS_PER_MS,
        float(report.price),
        float(report.size),
        report.aggressor,
        report.trade_id,
    )
    yield Trades(ts, (trade,))


def _fill(report: FillReport, ts: Ns) -> Fill:
    trade = report.trade
    return Fill(
        ts=ts,
        venue_ts=trade.time_ms * NS_PER_MS,
        trade_id=trade.trade_id,
        cloid=report.cloid,
        oid=report.oid,
        side=report.side,
        price=trade.price,
        size=trade.size,
        fee=report.fee,
        start_position=report.start_position,
        quote=not report.crossed and report.liquidated_user is None,
    )
