"""Requests lost with the wire: their nonces are used up, so that nothing comes of them any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from msgspec import structs

from mm.adapters.hyperliquid import answers, encode, rejects
from mm.adapters.hyperliquid.budget import AddressBudget
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.timers import doze
from mm.model.events import RejectCode
from mm.model.exchange import Done, Item, Refused
from mm.model.units import NS_PER_S, Ns

FIRST_AGAIN_S, MAX_AGAIN_S = 0.25, 2.0
ANNULLED: Final[Ns] = 0
"""When a request expired that the venue will not execute any more."""
IN_BLOCK: Final[Ns] = NS_PER_S
"""So long after its nonce was used an action has been executed, if it ever is."""


class Annuller:
    """A placing or a change of unknown outcome may be executed until it expires, and until then its
    side waits. The venue takes a nonce once: a no-operation that it takes under the request's own
    nonce shows that the request was not executed, and never will be (protocol 8). Where it refuses
    it as used, the request came first or nothing did: the question for the order's status tells.
    """

    def __init__(self, seat: Seat, rest: Rest, own: OwnOrders, budget: AddressBudget) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._budget = budget
        self.lost = asyncio.Event()
        """To be set when a request was lost."""
        self.on_annulled: Callable[[], None] = lambda: None
        """Called when a doubt can be settled."""

    async def insist(self) -> None:
        """For ever: by REST, at once, and ever more slowly while the venue does not answer."""
        while True:
            await self.lost.wait()
            self.lost.clear()
            pause_s = FIRST_AGAIN_S
            while self.nonces:
                await self.annul_all()
                await doze(self.lost, pause_s)
                pause_s = min(2.0 * pause_s, MAX_AGAIN_S)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Beside what is done within; where `insist` has ended."""
        task = asyncio.create_task(self.annul_all())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def annul_all(self) -> None:
        """Once, each; those that the venue does not answer stay in doubt."""
        found = await asyncio.gather(*map(self.annul, self.nonces), return_exceptions=True)
        for error in found:
            if error is not None and not isinstance(error, RestError):
                raise error

    @property
    def nonces(self) -> list[int]:
        """Of requests in doubt, oldest first."""
        now, doubts = self._seat.now(), self._own.doubts.values()
        return sorted({one.nonce for one in doubts if one.nonce and now <= one.expires})

    async def annul(self, nonce: int) -> None:
        """Once. Raises RestError where the venue does not answer."""
        if not self._rest.meter.may_add_risk:
            return
        raw = await self._rest.exchange(self._seat.envelope(encode.noop(), nonce))
        self._budget.spend(1)
        try:
            (answer,) = answers.items(raw, 1)
        except msgspec.DecodeError as error:
            raise RestError(f"unreadable answer: {error}") from None
        self._answered(nonce, answer)

    def _answered(self, nonce: int, answer: Item) -> None:
        for cloid, doubt in self._own.doubts.items():
            if doubt.nonce == nonce:
                expires = min(doubt.expires, self._expiry(answer, doubt.expires))
                self._own.doubts[cloid] = structs.replace(doubt, expires=expires, nonce=None)
        self.on_annulled()

    def _expiry(self, answer: Item, otherwise: Ns) -> Ns:
        """When the request can no longer be executed. A nonce that is used was used by it, or by an
        earlier no-operation whose answer was lost."""
        if isinstance(answer, Done):
            return ANNULLED
        used = isinstance(answer, Refused) and rejects.classify(answer.message) is RejectCode.NONCE
        return self._seat.now() + IN_BLOCK if used else otherwise
