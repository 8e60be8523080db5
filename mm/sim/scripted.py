"""A market from a script, and clients that trade by hand: for tests and worked examples."""

from collections.abc import Sequence
from decimal import Decimal

from mm.model.exchange import (
    Answer,
    Item,
    LocalExchange,
    OrderSpec,
    PlaceOrders,
    Report,
    Request,
    Signed,
    Tif,
)
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.market import Background, MarketEvent, Oracle

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)


class ScriptedMarket:
    """These events in this order, then the end. Satisfies `mm.sim.market.Market`."""

    def __init__(self, instrument: Instrument, events: Sequence[MarketEvent] = ()) -> None:
        self.instrument = instrument
        self._events = list(events)
        self._at = 0

    def next_ms(self) -> int | None:
        return self._events[self._at].time_ms if self._at < len(self._events) else None

    def pop(self) -> MarketEvent:
        """Raises IndexError after the last event."""
        event = self._events[self._at]
        self._at += 1
        return event


def calm_market(start_ms: int, *events: MarketEvent) -> ScriptedMarket:
    """BTC 99,990 @ 100,010 with 1 BTC at each touch, 2 BTC 10 USD further out; then `events`."""
    book = Background(
        start_ms,
        bids=((99_990.0, 1.0), (99_980.0, 2.0)),
        asks=((100_010.0, 1.0), (100_020.0, 2.0)),
    )
    return ScriptedMarket(BTC, (book, Oracle(start_ms, 100_000.0), *events))


def order(
    side: Side,
    price: str,
    size: str,
    tif: Tif = Tif.ALO,
    reduce_only: bool = False,
    cloid: str | None = None,
) -> OrderSpec:
    """An order on asset 0."""
    return OrderSpec(0, side, Decimal(price), Decimal(size), tif, reduce_only, cloid)


class Session:
    """Clients at one exchange in virtual time; `told` keeps all that the exchange said."""

    def __init__(self, exchange: LocalExchange, now_ms: int) -> None:
        self.exchange = exchange
        self.now_ms = now_ms
        self.told: list[Answer | Report] = []
        self._nonce = now_ms

    def run(self, until_ms: int) -> list[Answer | Report]:
        """Let time pass; returns what was told on the way."""
        self.now_ms = until_ms
        told = self.exchange.advance(until_ms)
        self.told += told
        return told

    def nonce(self) -> int:
        self._nonce = max(self._nonce + 1, self.now_ms)
        return self._nonce

    def send(self, signed: Signed) -> Answer:
        """Submit, and let time pass until the answer."""
        ticket = self.exchange.submit(signed, self.now_ms)
        while True:
            for item in self.run(max(self.now_ms, self.exchange.next_ms())):
                if isinstance(item, Answer) and item.ticket == ticket:
                    return item

    def ask(self, user: str, request: Request) -> Answer:
        return self.send(Signed(user, self.nonce(), request))

    def place(self, user: str, spec: OrderSpec) -> Item:
        """Place one order. Raises ValueError where the whole action is refused."""
        answer = self.ask(user, PlaceOrders((spec,)))
        if answer.error is not None:
            raise ValueError(answer.error)
        return answer.items[0]
