"""What must hold of each action of ours that reaches the exchange, by the exchange's clock."""

from collections.abc import Iterator
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.venue_side import VenueSide
from mm.model.exchange import ModifyOrders, OrderSpec, PlaceOrders, Request, Signed, Tif
from mm.model.units import NS_PER_MS

AHEAD_MS: Final = 15_000
"""An action's expiry, and the error of our idea of the venue's clock."""


class AtTheGate:
    """Hears every signed action before the exchange looks at it; `look` tells what was wrong."""

    def __init__(self, venue: VenueSide) -> None:
        self._nonces: set[int] = set()
        self._broken = ""
        self._venue = venue
        venue.exchange.hear = self._hear

    def look(self) -> None:
        if self._broken:
            raise BrokenPromiseError(self._broken)

    def _hear(self, signed: Signed) -> None:
        self._broken = self._broken or next(self._wrong(signed), "")
        self._nonces.add(signed.nonce)

    def _wrong(self, signed: Signed) -> Iterator[str]:
        latest = self._venue.clock.now() // NS_PER_MS + AHEAD_MS
        if signed.nonce in self._nonces:
            yield f"nonce {signed.nonce} is used twice"
        if signed.nonce > latest:
            yield f"nonce {signed.nonce} is {signed.nonce - latest + AHEAD_MS} ms ahead"
        if signed.expires_after_ms is None or signed.expires_after_ms > latest:
            yield f"an action that expires at {signed.expires_after_ms}, long from now"
        for order in _orders(signed.request):
            if order.tif is not Tif.ALO and not (order.tif is Tif.IOC and order.reduce_only):
                yield f"order {order.cloid} may take, and not only to reduce"


def _orders(request: Request) -> Iterator[OrderSpec]:
    if isinstance(request, PlaceOrders):
        yield from request.orders
    elif isinstance(request, ModifyOrders):
        yield from (one.order for one in request.items)
