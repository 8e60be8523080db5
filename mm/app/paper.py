"""Paper trading: a venue that shows a real market and fills our orders itself; nothing is sent."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import NO_HOOKS, Bootstrap, Clock, Hooks, VenueSettings
from mm.adapters.hyperliquid.stream import every
from mm.app.config_paper import PaperConfig
from mm.app.paper_exchange import PaperExchange
from mm.model.actions import Action, Severity
from mm.model.events import Event, Fees, Link
from mm.model.units import NS_PER_MS, NS_PER_S

ACCOUNT: Final = "PAPER"
LOST: Final = "feed lost: paper orders are withdrawn, nothing is filled that was not seen"


class PaperVenue:
    """The port `Venue` without an account or a key.

    Usage: `carry` what the ledger knows, `bootstrap`, `run` as a task, `send`; at the end
    `cancel_all`, with `run` already cancelled or not.
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
        self.outlet = Outlet(emit)
        self._paper = paper
        self._clock = clock
        self._hooks = hooks
        self._feed = PublicFeed(settings, clock, self.health, self, hooks.frame)
        self._position = self._cash = Decimal(0)
        self._exchange: PaperExchange | None = None
        self._sent = asyncio.Event()
        self._up = False

    @property
    def exchange(self) -> PaperExchange:
        if self._exchange is None:
            raise RuntimeError("bootstrap comes first")
        return self._exchange

    # -- the port -------------------------------------------------------------------------------

    def carry(self, position: Decimal, cash: Decimal) -> None:
        """What former runs left. `cash` USD: what they earned and paid, the position apart."""
        self._position, self._cash = position, cash

    async def bootstrap(self) -> Bootstrap:
        """Ask for the instrument, open the account. VenueError: one line that names the fix."""
        instrument = await self._feed.instrument()
        cash = Decimal(str(self._paper.equity_usd)) + self._cash
        now, tell = self._clock.now, self.outlet.put
        opened = PaperExchange(instrument, self._paper, now, tell, self._hooks.round_trip)
        opened.open_account(self._position, cash)
        self._exchange = opened
        budget = opened.budget()
        return Bootstrap(
            instrument=instrument,
            account=ACCOUNT,
            maker_bps=self._paper.maker_fee_bps,
            taker_bps=self._paper.taker_fee_bps,
            position=self._position,
            equity=cash,
            orders=(),
            venue_ms=now() // NS_PER_MS,
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
                group.create_task(self.outlet.watch())
                group.create_task(every(self.settings.audit_s, self._audit))
        finally:
            self._up = False
            self.outlet.put(Link(ts=self._clock.now(), up=False, reason="stopped"))
            self.outlet.flush()

    def send(self, actions: Sequence[Action]) -> None:
        self.exchange.send(actions)
        self._sent.set()

    async def cancel_all(self) -> int:
        self.exchange.withdraw("everything is being cancelled")
        self.outlet.flush()
        return len(self.exchange.open_orders())

    # -- the feed -------------------------------------------------------------------------------

    def on_up(self) -> None:
        self._up = True
        now, paper = self._clock.now(), self._paper
        self.outlet.put(Fees(now, paper.maker_fee_bps, paper.taker_fee_bps))
        self._tell_account()
        self.outlet.put(Link(ts=now, up=True, reason="connected"))

    def on_market(self, event: Public) -> None:
        self.exchange.hear(event)

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
        self.outlet.put(Link(ts=self._clock.now(), up=False, reason=reason))

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
        self.outlet.put(self.exchange.account())
        self.outlet.put(self.exchange.budget())
