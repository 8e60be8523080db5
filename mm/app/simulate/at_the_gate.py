"""What must hold of each action of ours that reaches the exchange, by the exchange's clock."""

from collections.abc import Iterator
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.world import World
from mm.model.custody import Noop
from mm.model.exchange import ModifyOrders, OrderSpec, PlaceOrders, Request, Signed, Tif
from mm.model.units import NS_PER_MS

AHEAD_MS: Final = 15_000
"""An action's expiry, and the error of our idea of the venue's clock."""
SETTLED_S: Final = 20.0
"""By then what a former life said has arrived. Its nonces may meet ours, by the error of either's
idea of the venue's clock: the venue refuses that, once each."""


class AtTheGate:
    """Hears every signed action before the exchange looks at it; `look` tells what was wrong."""

    def __init__(self, world: World) -> None:
        self._nonces: dict[int, int] = {}
        """In which life of the daemon each was used last."""
        self._broken = ""
        self._world = world
        world.venue.exchange.hear = self._hear

    def look(self) -> None:
        if self._broken:
            raise BrokenPromiseError(self._broken)

    def _hear(self, signed: Signed) -> None:
        self._broken = self._broken or next(self._wrong(signed), "")
        if not isinstance(signed.request, Noop):  # it takes the nonce of what it annuls
            self._nonces[signed.nonce] = self._world.maker.boots

    def _wrong(self, signed: Signed) -> Iterator[str]:
        maker = self._world.maker
        latest = self._world.venue.clock.now() // NS_PER_MS + AHEAD_MS
        twice = self._nonces.get(signed.nonce) == maker.boots
        annuls = isinstance(signed.request, Noop)
        if twice and not annuls and self._world.now - maker.began_at > SETTLED_S:
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
