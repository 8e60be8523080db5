"""What we ask the venue of our orders: all that rest, and how one of them stands."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from msgspec import structs

from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.desks import Desks, dex_of
from mm.adapters.hyperliquid.inbox import is_known
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.units import NS_PER_S, Ns

EXPLORED_FOR: Final[Ns] = 3600 * NS_PER_S
"""So long it is believed that there are no new exchanges: to ask weighs 20."""


class Questions:
    """Each raises RestError where the venue does not answer."""

    def __init__(self, seat: Seat, rest: Rest, own: OwnOrders, desks: Desks) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._desks = desks
        self._foreign: dict[str, list[OrderCore]] = {}
        self._elsewhere: deque[str] | None = None
        """The exchanges on which we trade nothing; None: not yet looked at."""
        self._explored: Ns = 0

    @property
    def foreign_open(self) -> int:
        """Open orders of others on our account, by the latest listings."""
        return sum(map(len, self._foreign.values()))

    def foreign(self, dex: str) -> list[OrderCore]:
        """Those on this exchange, in our coins and others."""
        return self._foreign.get(dex, [])

    async def foreign_anywhere(self) -> int:
        """As `foreign_open`, wherever our account may have orders, spot too. Exchanges on which we
        trade nothing are all looked at first, whatever request weight is left, for the dead-man
        switch waits for it; then one each time: they are many. New ones are listed now and then,
        and looked at as soon as that is known."""
        if self._elsewhere is None:
            await self._explore()
        elif self._rest.meter.may_poll:
            with suppress(RestError):
                if self._seat.now() - self._explored >= EXPLORED_FOR:
                    await self._explore()
                elif self._elsewhere:
                    self._elsewhere.rotate()
                    await self.listing(self._elsewhere[0])
        return self.foreign_open

    async def _explore(self) -> None:
        """Look at all exchanges on which we trade nothing and that we have not seen yet."""
        known = {*self._desks.dexes, *(self._elsewhere or ())}
        new = [dex for dex in await self._rest.dexes(urgent=True) if dex not in known]
        for dex in new:
            await self.listing(dex, urgent=True)
        self._elsewhere = deque([*(self._elsewhere or ()), *new])
        self._explored = self._seat.now()

    async def listing(self, dex: str, urgent: bool = False) -> list[OrderCore]:
        """Our own open orders in our coins there; foreign ones are noted and left alone."""
        listed = await self._rest.open_orders(self._seat.account, dex, urgent=urgent)
        ours = {desk.coin for desk in self._desks.on(dex)}
        own = [one for one in listed if one.coin in ours and self._own.is_own(one.cloid)]
        known = {one.oid for one in own}
        self._foreign[dex] = [one for one in listed if one.oid not in known]
        for one in own:
            self._own.belongs(one.cloid or "", one.coin)
        return own

    async def status(self, cloid: str) -> FoundOrder | None:
        """The venue's word on one order."""
        return await self._known((await self._rest.order_status(self._seat.account, cloid)).order)

    async def statuses(self, cloids: Iterable[str]) -> list[FoundOrder | RestError | None]:
        """Its word on each of these, asked for at once; the error where there was no answer."""
        answers = await self._rest.order_statuses(self._seat.account, list(cloids))
        return [
            one if isinstance(one, RestError) else await self._known(one.order) for one in answers
        ]

    async def _known(self, found: FoundOrder | None) -> FoundOrder | None:
        """Of a status that we do not know, and the venue adds them unannounced, the listing says
        whether the order rests."""
        if found is None or is_known(found.status):
            return found
        listed = await self.listing(dex_of(found.order.coin))
        rests = any(row.oid == found.order.oid for row in listed)
        return structs.replace(found, status="open" if rests else f"{found.status}, canceled")


def raise_first(answers: Iterable[object]) -> None:
    """The first of these that is an error."""
    for one in answers:
        if isinstance(one, RestError):
            raise one
