"""What the venue charges and allows, read again now and then, and told to whom it concerns."""

import asyncio
from collections.abc import Iterable
from typing import Final

from msgspec import structs

from mm.adapters.hyperliquid.bootstrap import fee_on, listing_of
from mm.adapters.hyperliquid.budget import AddressBudget
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import Bootstrap, VenueError
from mm.model.events import Command, Fees, Rules
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_S, Ns

BUDGET_TOLD_S: Final = 1.0
RULES_PAUSE_S: Final = 30.0
"""Not read again so soon, however many refusals say that they are old."""
RULES_AGE: Final[Ns] = 300 * NS_PER_S


class Terms:
    """Fees, action budget and instrument rules of all desks."""

    def __init__(self, seat: Seat, rest: Rest, budget: AddressBudget, desks: Desks) -> None:
        self._seat = seat
        self._rest = rest
        self._budget = budget
        self._desks = desks
        self._rates: dict[str, tuple[float, float]] = {}
        """Maker and taker, bps, by coin: the latest."""
        self.old_rules = asyncio.Event()
        """Set where a refusal shows that the venue's rules are not those that we know."""
        self._ruled: Ns = seat.now()
        """When they were last read."""

    def begin(self, found: dict[str, Bootstrap]) -> None:
        for desk in self._desks:
            boot = found[desk.coin]
            desk.instrument = boot.instrument
            self._rates[desk.coin] = boot.maker_bps, boot.taker_bps
            self._budget.sync(boot.actions_used, boot.actions_cap)

    def tell_all(self) -> None:
        """As they were read last."""
        self._tell_fees()
        self.tell_budget()

    def _tell_fees(self) -> None:
        for desk in self._desks:
            maker, taker = self._rates[desk.coin]
            desk.outlet.put(Fees(ts=self._seat.now(), maker_bps=maker, taker_bps=taker))

    def tell_budget(self) -> None:
        """Each engine spends its even share."""
        meter = self._rest.meter
        news = self._budget.news(self._seat.now(), meter.actions_per_s, meter.actions_at_once)
        if news is not None:
            self._desks.put(structs.replace(news, sharers=len(self._desks)))

    async def keep_telling(self) -> None:
        """For ever, what changed: the engines spend by it, and it is what an operator is shown."""
        while True:
            await asyncio.sleep(BUDGET_TOLD_S)
            self.tell_budget()

    async def sync_budget(self) -> None:
        limit = await self._rest.rate_limit(self._seat.account)
        self._budget.sync(limit.n_requests_used, limit.n_requests_cap)
        self.tell_budget()

    async def review_budget(self) -> None:
        """As we count; the venue's count where that is spent: fills earn more, and it can be
        bought."""
        if self._budget.is_spent:
            await self.sync_budget()
        self.tell_budget()

    async def sync_fees(self) -> None:
        """Tiers move with the volume of the last two weeks."""
        fees = await self._rest.fees(self._seat.account)
        for desk in self._desks:
            dex = desk.dex
            self._rates[desk.coin] = fee_on(dex, fees.maker_bps), fee_on(dex, fees.taker_bps)
        self._tell_fees()

    @property
    def may_be_old(self) -> bool:
        return self._seat.now() - self._ruled > RULES_AGE

    async def sync_rules(self) -> None:
        """Ticks, lots and leverage change at the venue's upgrades, the account's own leverage by
        hand; a coin may be delisted, or the whole of a builder's exchange: that halts, it alone."""
        self._ruled = self._seat.now()
        for dex in self._desks.dexes:
            desks = self._desks.on(dex)
            try:
                listing = await listing_of(dex, self._seat.settings.network, self._rest)
            except VenueError as error:
                self._halt(desks, error)
                continue
            for desk in desks:
                chosen = await self._rest.leverage(self._seat.account, desk.coin)
                try:
                    self._renew(desk, listing.instrument(desk.coin), chosen)
                except VenueError as error:
                    self._halt([desk], error)

    def _halt(self, desks: Iterable[Desk], delisted: VenueError) -> None:
        for desk in desks:
            desk.outlet.put(Command(self._seat.now(), "halt", "venue", str(delisted)))

    def _renew(self, desk: Desk, listed: Instrument, chosen: int | None) -> None:
        """`chosen`: the account's leverage; None: as it was, the venue does not say."""
        known = desk.instrument
        if known is None:
            return
        most = min(chosen or known.max_leverage, listed.max_leverage)
        fresh = structs.replace(listed, max_leverage=most)
        if fresh != known:
            desk.instrument = fresh
            self._seat.assets[desk.coin] = fresh.asset
            desk.outlet.put(Rules(ts=self._seat.now(), instrument=fresh))
