"""Paper trading: a venue that shows a real market and fills our orders itself; nothing is sent."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Final

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import NO_HOOKS, Bootstrap, Clock, Hooks, VenueSettings
from mm.adapters.hyperliquid.timers import every
from mm.app.config_paper import PaperConfig
from mm.app.paper_exchange import PaperExchange
from mm.model.actions import Action, Severity
from mm.model.events import Event, Fees, Link
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, NS_PER_S

ACCOUNT: Final = "PAPER"
LOST: Final = "feed lost: paper orders are withdrawn, nothing is filled that was not seen"


class PaperDesk:
    """One coin: to its engine it is the venue."""

    def __init__(self, coin: str, emit: Callable[[Event], None]) -> None:
        self.coin = coin
        self.outlet = Outlet(emit)
        self.send: Callable[[Sequence[Action]], None] = lambda _: None
        self.position = self.cash = Decimal(0)


class PaperVenue:
    """The port `Venue` without an account or a key.

    Usage: `open` a desk for each further coin, `carry` what the ledger knows, `bootstrap`, `run` as
    a task, `send`; at the end `cancel_all`, with `run` already cancelled or not. `emit` and `send`
    are those of the first coin's desk.
    """

    def __init__(
        self,
        settings: VenueSettings,
        paper: PaperConfig,
        clock: Clock,
        emit: Callable[[Event], None],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.settings = settings
        self.health = Health(clock, hooks)
        self.desks: dict[str, PaperDesk] = {}
        self.found: dict[str, Bootstrap] = {}
        """What was found at the start, by coin."""
        self._paper = paper
        self._clock = clock
        self._hooks = hooks
        self._feed = PublicFeed(settings, clock, self.health, self, hooks.frame)
        self._exchange: PaperExchange | None = None
        self._sent = asyncio.Event()
        self._up = False
        self.send = self.open(settings.coin, emit).send

    @property
    def exchange(self) -> PaperExchange:
        if self._exchange is None:
            raise RuntimeError("bootstrap comes first")
        return self._exchange

    # -- the port -------------------------------------------------------------------------------

    def open(self, coin: str, emit: Callable[[Event], None]) -> PaperDesk:
        """A desk for one of the settings' coins; `emit` is told all that concerns it."""
        desk = self.desks[coin] = PaperDesk(coin, emit)
        desk.send = partial(self._send, coin)
        return desk

    def carry(self, position: Decimal, cash: Decimal, coin: str | None = None) -> None:
        """What former runs left. `cash` USD: what they earned and paid, the position apart."""
        desk = self.desks[coin or self.settings.coin]
        desk.position, desk.cash = position, cash

    async def bootstrap(self) -> Bootstrap:
        """Ask for the instruments, open the account. VenueError: one line that names the fix."""
        instruments = await self._feed.instruments()
        coins = {
            coin: (instrument, self.desks[coin].outlet.put)
            for coin, instrument in instruments.items()
        }
        self._exchange = PaperExchange(coins, self._paper, self._clock.now, self._hooks.round_trip)
        given = Decimal(str(self._paper.equity_usd))
        equity: dict[str, Decimal] = {}
        for coin, desk in self.desks.items():
            if dex_of(coin) not in equity:
                self._exchange.open_account(coin, Decimal(0), given)
            equity[dex_of(coin)] = equity.get(dex_of(coin), given) + desk.cash
            self._exchange.open_account(coin, desk.position, desk.cash)
        self.found = {
            coin: self._boot(instrument, equity[dex_of(coin)])
            for coin, instrument in instruments.items()
        }
        return self.found[self.settings.coin]

    def _boot(self, instrument: Instrument, equity: Decimal) -> Bootstrap:
        budget = self.exchange.budget()
        return Bootstrap(
            instrument=instrument,
            account=ACCOUNT,
            maker_bps=self._paper.maker_fee_bps,
            taker_bps=self._paper.taker_fee_bps,
            position=self.desks[instrument.name].position,
            equity=equity,
            venue_ms=self._clock.now() // NS_PER_MS,
            skew_ms=0,
            actions_used=budget.used,
            actions_cap=budget.cap,
            account_mode="",
        )

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._feed.run())
                group.create_task(self._clockwork())
                for desk in self.desks.values():
                    group.create_task(desk.outlet.watch())
                group.create_task(every(self.settings.asking.audit_s, self._audit))
        finally:
            self._up = False
            self._tell(Link(ts=self._clock.now(), up=False, reason="stopped"))
            self._flush()

    async def cancel_all(self) -> int:
        self.exchange.withdraw("everything is being cancelled")
        self._flush()
        return len(self.exchange.open_orders())

    def _send(self, coin: str, actions: Sequence[Action]) -> None:
        self.exchange.send(coin, actions)
        self._sent.set()

    # -- the feed -------------------------------------------------------------------------------

    def on_up(self) -> None:
        self._up = True
        now, paper = self._clock.now(), self._paper
        self._tell(Fees(now, paper.maker_fee_bps, paper.taker_fee_bps))
        self._tell_account()
        self._tell(Link(ts=now, up=True, reason="connected"))

    def on_market(self, coin: str, event: Public) -> None:
        if coin in self.desks:
            self.exchange.hear(coin, event)

    def on_lost(self, reason: str) -> None:
        """Nobody knows what would have been filled meanwhile, so nothing rests meanwhile.

        In that a lost feed is kinder here than there: the venue leaves orders to whoever comes.
        """
        if self._up:
            resting = len(self.exchange.open_orders())
            self.health.note(Severity.WARNING, "link", LOST, orders=resting, reason=reason)
        self._up = False
        self.exchange.forget()
        self.exchange.withdraw("feed lost")
        self._tell(Link(ts=self._clock.now(), up=False, reason=reason))

    # -- on its own time ------------------------------------------------------------------------

    async def _clockwork(self) -> None:
        """Run the exchange when something of it is due, and when something was sent."""
        while True:
            if self._up:
                self.exchange.run()
            else:
                self.exchange.withdraw("not connected")
            self._sent.clear()
            due_s = max(0, self.exchange.next_ts() - self._clock.now()) / NS_PER_S
            with suppress(TimeoutError):
                async with asyncio.timeout(due_s):
                    await self._sent.wait()

    async def _audit(self) -> None:
        if self._up:
            self._tell_account()

    def _tell_account(self) -> None:
        for coin, desk in self.desks.items():
            desk.outlet.put(self.exchange.account(coin))
        self._tell(self.exchange.budget())

    def _tell(self, event: Event) -> None:
        for desk in self.desks.values():
            desk.outlet.put(event)

    def _flush(self) -> None:
        for desk in self.desks.values():
            desk.outlet.flush()
