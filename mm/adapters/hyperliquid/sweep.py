"""The way out: cancel all that is ours, look again, and say what still rests."""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import structs

from mm.adapters.hyperliquid import answers, encode, rejects
from mm.adapters.hyperliquid.budget import AddressBudget
from mm.adapters.hyperliquid.desks import Desks
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.reconcile import Reconciler
from mm.adapters.hyperliquid.rest import TOO_MANY, Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import VenueError
from mm.model.events import RejectCode
from mm.model.exchange import Done, Item, Refused
from mm.model.units import Ns

FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 0.5
LOOK_AGAIN_S: Final = 1.0
"""Where the venue has just refused a look, and all that is known to rest is cancelled: each look
weighs 20, and ten of them within a sweep would be missed as soon as it takes requests again."""
FIRST_AGAIN_S, MAX_AGAIN_S = 0.25, 2.0
IN_FLIGHT_S: Final = 1.5
"""How long a request sent just before may take to reach the venue: we look again until then."""


class Sweeper:
    """Works over REST alone: with the websocket up, down, or never opened."""

    def __init__(
        self, seat: Seat, rest: Rest, own: OwnOrders, budget: AddressBudget, desks: Desks
    ) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._budget = budget
        self._desks = desks
        self._running = asyncio.Lock()
        self._left: int | None = None
        """Of the latest listing, those that are not known to have gone; None before the first."""
        self.listed: Ns = 0
        """When that was asked for."""
        self._trouble = ""
        self.lost = asyncio.Event()
        """To be set when a cancel was lost."""
        self._owed: set[str] = set()
        """Known to rest when a sweep could take no more of them away."""

    async def insist(self) -> None:
        """For ever: a cancel that was lost goes again at once, and ever more slowly while the venue
        does not answer. By client id one too many does no harm; what it was to take away rests on a
        book that perhaps nobody sees."""
        while True:
            await self.lost.wait()
            self.lost.clear()
            pause_s = FIRST_AGAIN_S
            while self._to_cancel:
                with suppress(RestError):
                    await self.cancel_again()
                await asyncio.sleep(pause_s)
                pause_s = min(2.0 * pause_s, MAX_AGAIN_S)

    @property
    def _to_cancel(self) -> list[str]:
        owed = (cloid for cloid in self._own.open if cloid in self._owed)
        lost = (cloid for cloid, doubt in self._own.doubts.items() if doubt.to_cancel)
        return list(dict.fromkeys([*owed, *lost]))

    async def cancel_again(self) -> None:
        """Once. Raises RestError where the venue does not answer. One that is open no more leaves
        the question how it ended, which is for others to ask."""
        cloids = self._to_cancel[: encode.MAX_ITEMS]
        if not cloids:
            return
        self._own.sent(cloids)
        try:
            items = await self._cancel(cloids)
        finally:
            self._own.answered(cloids)
        for cloid, item in zip(cloids, items, strict=True):
            if not _is_not_open(item):
                continue
            self._owed.discard(cloid)
            doubt = self._own.doubts.get(cloid)
            if doubt is not None:
                self._own.doubts[cloid] = structs.replace(doubt, to_cancel=False)

    async def sweep(
        self, reconciler: Reconciler, within_s: float, coins: frozenset[str] | None = None
    ) -> int:
        """How many of our orders, in these coins or all, still rest.

        VenueError where the venue would not even say: `insist` goes on with those we know of.
        """
        async with self._running:
            self._left, self._trouble = None, "no answer"
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._until_none(reconciler, coins)
            left = self._remaining(coins)
            if left != 0:
                self._owed = {*self._known(coins), *(self._owed & self._own.open.keys())}
                self.lost.set()
            if left is None:
                raise VenueError(f"cannot verify that no order rests: {self._trouble}")
            return left

    async def _until_none(self, reconciler: Reconciler, coins: frozenset[str] | None) -> None:
        """Rounds until all that was listed is cancelled and nothing can be on its way to the book
        any more. Where request weight is short, one look in the end must do for what may be."""
        loop = asyncio.get_running_loop()
        start, pause_s = loop.time(), FIRST_PAUSE_S
        while True:
            try:
                await self._cancel_all(self._unseen(coins))
                self._left = await self._round(reconciler, coins)
            except RestError as error:
                self._trouble = str(error)
                pause_s = max(pause_s, self._in_vain_s(error, coins))
            on_its_way_s = start + IN_FLIGHT_S - loop.time() if self._under_way else 0.0
            if self._remaining(coins) == 0:
                if on_its_way_s <= 0.0:
                    return
                pause_s = MAX_PAUSE_S if self._rest.meter.may_poll else on_its_way_s
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, MAX_PAUSE_S)

    def _in_vain_s(self, error: RestError, coins: frozenset[str] | None) -> float:
        only_looks = error.status == TOO_MANY and not self._known(coins)
        return LOOK_AGAIN_S if only_looks else 0.0

    @property
    def _under_way(self) -> bool:
        """May anything that we sent still reach the book?"""
        expired = self._own.expired(self._seat.now())
        return self._own.any_in_flight or len(expired) < len(self._own.doubts)

    def _remaining(self, coins: frozenset[str] | None) -> int | None:
        """How many may rest; None: nobody has said."""
        return None if self._left is None else self._left + len(self._unseen(coins))

    def _unseen(self, coins: frozenset[str] | None) -> list[str]:
        """What has come to rest since we last asked what rests; before that, all that we know of:
        cancelled before any question, which weighs as much as twenty cancels."""
        known = self._known(coins)
        if self._left is None:
            return known
        return [cloid for cloid in known if self._own.open[cloid].since >= self.listed]

    def _known(self, coins: frozenset[str] | None) -> list[str]:
        wanted = self._seat.assets.keys() if coins is None else coins
        return [cloid for cloid in self._own.open if self._own.coin_of(cloid) in wanted]

    async def _round(self, reconciler: Reconciler, coins: frozenset[str] | None = None) -> int:
        """List and cancel; how many may rest all the same. Those that the venue says it cancelled
        are not looked for again: that weighs 20, and on a slow wire takes what time there is."""
        asked = self._seat.now()
        listed = [
            one for dex in self._desks.dexes for one in await reconciler.ask.listing(dex, True)
        ]
        self.listed = asked
        wanted = (one for one in listed if coins is None or one.coin in coins)
        cloids = [one.cloid for one in wanted if one.cloid is not None]
        return len(cloids) - await self._cancel_all(cloids)

    async def _cancel_all(self, cloids: list[str]) -> int:
        """How many the venue says it cancelled."""
        cancelled = 0
        for start in range(0, len(cloids), encode.MAX_ITEMS):
            items = await self._cancel(cloids[start : start + encode.MAX_ITEMS])
            cancelled += sum(isinstance(item, Done) for item in items)
        return cancelled

    async def _cancel(self, cloids: list[str]) -> tuple[Item, ...]:
        envelope = self._seat.envelope(encode.cancel(cloids, self._asset_of))
        raw = await self._rest.exchange(envelope, encode.weight(len(cloids)))
        self._budget.spend(len(cloids))  # not what never reached the venue, however often it goes
        try:
            items = answers.items(raw, len(cloids))
        except msgspec.DecodeError as error:
            raise RestError(f"unreadable answer: {error}") from None
        if isinstance(items[0], answers.Whole):
            await self._heed(items[0].message)
        now = self._seat.now()
        for cloid, item in zip(cloids, items, strict=True):
            if isinstance(item, Done):
                self._desks.put_all(self._own.closed(cloid, None, "canceled", now, now))
        return items

    async def _heed(self, refusal: str) -> None:
        """What it takes for the next action to be taken."""
        if (nonce := rejects.lowest_nonce(refusal)) is not None:
            self._seat.outrank(nonce)
        elif rejects.classify(refusal) is RejectCode.EXPIRED:
            await self._seat.ask_time(self._rest)

    def _asset_of(self, cloid: str) -> int:
        return self._seat.assets[self._own.coin_of(cloid) or ""]


def _is_not_open(item: Item) -> bool:
    """A word on the whole action is true of one of its orders, and does not say of which."""
    if not isinstance(item, Refused) or isinstance(item, answers.Whole):
        return False
    return rejects.classify(item.message) is RejectCode.NOT_OPEN
