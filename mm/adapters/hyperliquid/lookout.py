"""Books that are asked for: deep ones beside the stream, and any while there is no stream."""

from collections.abc import Iterator

from mm.adapters.hyperliquid import encode
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.router import Router
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.sender import Sender
from mm.adapters.hyperliquid.settings import BOOK_WEIGHT
from mm.adapters.hyperliquid.stream import Stream


class Lookout:
    """Each call asks after the next coin. Raises LinkLostError, RestError."""

    def __init__(
        self, seat: Seat, stream: Stream, rest: Rest, desks: Desks, sender: Sender, router: Router
    ) -> None:
        self._seat = seat
        self._stream = stream
        self._rest = rest
        self._desks = desks
        self._sender = sender
        self._router = router
        self._turn: Iterator[Desk] = iter(())

    async def deepen(self) -> None:
        """The fast book shows five levels, which our own ladder may fill: look deeper."""
        coin = self._next().coin
        self._rest.meter.spend(BOOK_WEIGHT)
        request_id = self._sender.posts.expect(self._router.on_book_reply, lambda _: None)
        question = {"type": "l2Book", "coin": coin}
        await self._stream.send(encode.post(request_id, "info", question))

    async def glance(self) -> None:
        """By REST, for an exit that needs a price. Of no other coin: quotes must not be left to
        rest on a book that is seen every few seconds."""
        desk = self._next()
        if desk.coin in self._sender.leaving:
            book = await self._rest.book(desk.coin)
            desk.outlet.put_all(desk.inbox.book(book, self._seat.now()))

    def _next(self) -> Desk:
        desk = next(self._turn, None)
        if desk is None:
            self._turn = iter(self._desks)
            desk = next(self._turn)
        return desk
