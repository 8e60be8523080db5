"""The coins of one account: each hears what concerns it, whoever brings the news."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.model.actions import Action
from mm.model.events import (
    ActionBudget,
    Link,
    OrderClosed,
    OrderOpened,
    Rejected,
    Unresolved,
)
from mm.model.instrument import Instrument
from mm.model.instrument import dex_of as dex_of

OrderNews = OrderOpened | OrderClosed | Rejected | Unresolved


class Desk:
    """One coin. `send` queues its engine's actions: to that engine it is the venue."""

    def __init__(self, coin: str, inbox: Inbox, outlet: Outlet) -> None:
        self.coin = coin
        self.dex = dex_of(coin)
        self.inbox = inbox
        self.outlet = outlet
        self.send: Callable[[Sequence[Action]], None] = lambda _: None
        self.instrument: Instrument | None = None
        self.remembered = False


class Desks:
    """All desks of one account; in place of an outlet it gives each event to whom it concerns."""

    def __init__(self, own: OwnOrders, *desks: Desk) -> None:
        self._own = own
        self._of = {desk.coin: desk for desk in desks}

    def add(self, desk: Desk) -> None:
        self._of[desk.coin] = desk

    def __iter__(self) -> Iterator[Desk]:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def get(self, coin: str | None) -> Desk | None:
        return self._of.get(coin) if coin is not None else None

    @property
    def dexes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(desk.dex for desk in self))

    def on(self, dex: str) -> list[Desk]:
        return [desk for desk in self if desk.dex == dex]

    # -- news -----------------------------------------------------------------------------------

    def put(self, event: OrderNews | Link | ActionBudget) -> None:
        """Of an order: to its coin. Of the account, or of an order that nobody placed: to all."""
        known = None
        if isinstance(event, OrderNews):
            known = self.get(self._own.coin_of(event.cloid))
        for desk in self if known is None else (known,):
            desk.outlet.put(event)

    def put_all(self, events: Iterable[OrderNews]) -> None:
        for event in events:
            self.put(event)

    def flush(self) -> None:
        for desk in self:
            desk.outlet.flush()
