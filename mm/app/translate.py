"""Between the engine's vocabulary and the sans-I/O exchange's, for virtual time.

What the Hyperliquid adapter does over sockets, without them: requests out, reports in as events.
"""

from collections.abc import Iterator, Sequence

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
Sent = tuple[RequestKind, str]


class Translator:
    """One user of one instrument. Remembers what each ticket asked, to match its answer."""

    def __init__(self, instrument: Instrument, user: str, latency: Ns) -> None:
        self._instrument = instrument
        self._user = user
        self._latency = latency
        self._tickets: dict[int, tuple[Sent, ...]] = {}
        self._nonce: int = 0

    # -- out ------------------------------------------------------------------------------------

    def submit(self, exchange: LocalExchange, actions: Sequence[Action], now_ms: int) -> None:
        """Hand over one turn's actions: at most one bulk order, one batch modify, one cancel."""
        for request, sent in self._requests(exchange, actions):
            self._nonce = max(self._nonce + 1, now_ms)
            ticket = exchange.submit(Signed(self._user, self._nonce, request), now_ms)
            self._tickets[ticket] = sent

    def _requests(
        self, exchange: LocalExchange, actions: Sequence[Action]
    ) -> Iterator[tuple[Request, tuple[Sent, ...]]]:
        places = [a for a in actions if isinstance(a, Place)]
        modifies = [a for a in actions if isinstance(a, Modify)]
        cancels = [a.cloid for a in actions if isinstance(a, Cancel)]
        if any(isinstance(a, CancelAll) for a in actions):
            rows = exchange.open_orders(self._user)
            cancels += [row.cloid for row in rows if row.cloid and row.cloid not in cancels]
        if cancels:
            asset = self._instrument.asset
            refs = tuple(OrderRef(asset, cloid=cloid) for cloid in cancels)
            yield CancelOrders(refs), tuple((RequestKind.CANCEL, c) for c in cancels)
        if modifies:
            items = tuple(Modification(m.oid, self._spec(m)) for m in modifies)
            yield ModifyOrders(items), tuple((RequestKind.MODIFY, m.cloid) for m in modifies)
        if places:
            specs = tuple(self._spec(p) for p in places)
            yield PlaceOrders(specs), tuple((RequestKind.PLACE, p.cloid) for p in places)

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

    def events(self, output: Answer | Report, at: Ns) -> Iterator[Event]:
        """What we are told of this, `latency` after it happened."""
        ts = at + self._latency
        match output:
            case Answer():
                yield from self._answer(output, ts, at)
            case BboReport():
                bid = output.bid and (float(output.bid[0]), float(output.bid[1]))
                ask = output.ask and (float(output.ask[0]), float(output.ask[1]))
                yield Bbo(ts, output.time_ms * NS_PER_MS, bid or None, ask or None)
            case TradeReport():
                yield Trades(ts, (_trade(output),))
            case FillReport() if output.user == self._user:
                yield _fill(output, ts)
            case OrderReport() if output.user == self._user:
                yield from _transition(output, ts)
            case FundingReport() if output.user == self._user:
                yield Funding(ts, output.time_ms * NS_PER_MS, output.usdc, float(output.rate))

    def _answer(self, answer: Answer, ts: Ns, at: Ns) -> Iterator[Event]:
        sent = self._tickets.pop(answer.ticket)
        if answer.error is not None:
            for kind, cloid in sent:
                yield Rejected(ts, cloid, kind, classify(answer.error), answer.error)
            return
        for (kind, cloid), item in zip(sent, answer.items, strict=True):
            yield _outcome(kind, cloid, item, ts, at)

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


def _trade(report: TradeReport) -> Trade:
    return Trade(
        report.time_ms * NS_PER_MS,
        float(report.price),
        float(report.size),
        report.aggressor,
        report.trade_id,
    )


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


def _transition(report: OrderReport, ts: Ns) -> Iterator[Event]:
    row, at = report.order, report.time_ms * NS_PER_MS
    if row.cloid is None or report.status.endswith("Rejected"):
        return  # a refusal is in the answer
    if report.status == "open":
        yield OrderOpened(ts, at, row.cloid, row.oid)
    else:
        yield OrderClosed(ts, at, row.cloid, row.oid, report.status)
