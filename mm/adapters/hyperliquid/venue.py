"""Hyperliquid as a venue: one account, one coin, events out, actions in."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress

from mm.adapters.hyperliquid import encode
from mm.adapters.hyperliquid.bootstrap import bootstrap, remark
from mm.adapters.hyperliquid.budget import AddressBudget, WeightMeter
from mm.adapters.hyperliquid.dead_man import DeadMan
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.reconcile import Reconciler
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.router import Router
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.sender import Sender
from mm.adapters.hyperliquid.settings import (
    NO_HOOKS,
    Bootstrap,
    Clock,
    Hooks,
    Signer,
    VenueError,
    VenueSettings,
)
from mm.adapters.hyperliquid.stream import (
    MARKET_CHANNELS,
    USER_CHANNELS,
    LinkLostError,
    Stream,
    every,
    first_leaf,
)
from mm.adapters.hyperliquid.sweep import Sweeper
from mm.adapters.hyperliquid.verdicts import Verdicts
from mm.model.actions import Action, Severity
from mm.model.events import Event, Fees, Link
from mm.model.units import NS_PER_MS, Ns

SPARE_WEIGHT = 300
"""Polls wait while less than this is left of the minute's request weight: orders come first."""
RESOLVE_WEIGHT = 100
FEES_PERIOD_S = 3600.0
CLEAR_S = 0.5
RESOLVE_FIRST_S, RESOLVE_MAX_S = 0.25, 2.0


class HyperliquidVenue:
    """The port `Venue`. Usage: `bootstrap`, `remember` what the ledger knows, `run` as a task,
    `send`; at the end `cancel_all`, with `run` still going or already cancelled.

    No coroutine leaves a socket or task behind.
    """

    def __init__(
        self,
        settings: VenueSettings,
        signer: Signer,
        clock: Clock,
        emit: Callable[[Event], None],
        cloid_prefix: str,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.settings = settings
        self.health = health = Health(clock, hooks)
        self.budget = AddressBudget()
        self.meter = WeightMeter(clock.now)
        self.own = own = OwnOrders(cloid_prefix)
        self.outlet = outlet = Outlet(emit)
        self._seat = seat = Seat(settings, signer, clock)
        self._rest = rest = Rest(settings.url, settings.request_timeout_s, self.meter)
        self._inbox = inbox = Inbox(seat.account, settings.coin, own, health)
        self.stream = Stream(settings, seat.account, clock, health, self)
        verdicts = Verdicts(own, outlet, health, clock.now)
        self._sender = Sender(seat, self.stream, rest, self.budget, verdicts)
        self.router = Router(inbox, outlet, health, self.stream, self._sender.posts, hooks)
        self._reconciler = Reconciler(seat, rest, own, inbox, outlet, health)
        self._sweeper = Sweeper(seat, rest, own, self.budget, outlet)
        self.dead_man = DeadMan(seat, rest, health)
        self._boot: Bootstrap | None = None
        self._remembered = False
        self._swept = False
        self._up = False
        self._failing: set[str] = set()
        self._doubtful = asyncio.Event()
        self._sweep_due = asyncio.Event()
        verdicts.wake = self.router.wake = self._doubtful.set
        self._sender.on_cancel_all = self._sweep_due.set

    @property
    def account(self) -> str:
        return self._seat.account

    # -- the port -------------------------------------------------------------------------------

    async def bootstrap(self) -> Bootstrap:
        """Ask the venue for all that a start needs. VenueError: one line that names the fix."""
        async with self._rest:
            boot = await bootstrap(self._seat, self._rest, self.health)
        self._boot = boot
        self.budget.sync(boot.actions_used, boot.actions_cap)
        remark(boot, self.health)
        if not self._remembered:
            self._inbox.remember((), boot.venue_ms, boot.venue_ms)
        return boot

    def remember(
        self, known_fills: Iterable[tuple[int, Ns]], last_fill_ms: int, last_funding_ms: int
    ) -> None:
        """What was told in former runs: (trade_id, venue_ts) of at least the last minute's fills.

        Later ones are told, as missed, before the link is up. Without this call: those after the
        bootstrap.
        """
        keys = ((trade_id, venue_ts // NS_PER_MS) for trade_id, venue_ts in known_fills)
        self._inbox.remember(keys, last_fill_ms, last_funding_ms)
        self._remembered = True

    async def run(self) -> None:
        """Until cancelled. Raises only what cannot heal."""
        if self._boot is None:
            await self.bootstrap()
        async with self._rest:
            try:
                async with asyncio.TaskGroup() as group:
                    for job in self._jobs():
                        group.create_task(job)
            except BaseExceptionGroup as group_error:
                raise first_leaf(group_error) from None
            finally:
                self.on_lost("stopped")
                self.outlet.flush()

    def _jobs(self) -> Iterator[Coroutine[None, None, None]]:
        yield self.stream.run()
        yield self._sender.run()
        yield self.outlet.watch()
        yield self._resolve_doubts()
        yield self._sweep_when_due()
        for period_s, act in (
            (self.settings.audit_s, self._audit),
            (self.settings.poll_book_s, self._poll_book),
            (self.settings.budget_poll_s, self._sync_budget),
            (FEES_PERIOD_S, self._sync_fees),
            (self.dead_man.period_s, self._arm),
        ):
            yield every(period_s, self._when_up(act))

    def send(self, actions: Sequence[Action]) -> None:
        """Queue for the wire; answers come back as events."""
        self._sender.put(actions)

    async def cancel_all(self) -> int:
        """Cancel all our orders and look again, for up to `cancel_all_s`; how many still rest.

        Fills that were missed meanwhile are told. VenueError where the venue would not even say.
        """
        if self._boot is None:
            await self.bootstrap()
        self._sender.drop_quotes("dropped: everything is being cancelled")
        async with self._rest:
            left = await self._sweeper.sweep(self._reconciler, self.settings.cancel_all_s)
            with suppress(TimeoutError, RestError):
                async with asyncio.timeout(CLEAR_S):
                    await self._reconciler.back_fill()  # what traded while orders were leaving
                    if left == 0:
                        await self.dead_man.clear()
        self.outlet.flush()
        return left

    # -- the connection's life ------------------------------------------------------------------

    async def on_connected(self) -> None:
        """User channels first and held back; then what REST knows; then what was held back."""
        self.router.hold()
        await self.stream.subscribe(*USER_CHANNELS)
        await self.stream.acknowledged(*USER_CHANNELS)
        if not self._swept:
            await self._sweep_leftovers()
        self._inbox.drop_trades_before(self._seat.venue_ms())
        await self.stream.subscribe(*MARKET_CHANNELS)
        await self._reconciler.audit()
        self.router.release()
        self._tell_costs()
        self._up = True
        self.outlet.put(Link(ts=self._seat.now(), up=True, reason="connected"))
        self._doubtful.set()
        await self._when_up(self._arm)()

    def on_frame(self, text: str, ts: Ns) -> None:
        self.router.on_frame(text, ts)

    def on_lost(self, reason: str) -> None:
        self._up = False
        self.router.drop_held()
        self._sender.posts.lose_all(reason)
        self.outlet.put(Link(ts=self._seat.now(), up=False, reason=reason))

    async def _sweep_leftovers(self) -> None:
        """Orders of a former run: ours by prefix, and nobody steers them."""
        try:
            left = await self._sweeper.sweep(self._reconciler, self.settings.cancel_all_s)
        except VenueError as error:
            raise LinkLostError(str(error)) from None
        self._swept = True
        if left:
            self.health.note(Severity.WARNING, "order", "orders of a former run rest", count=left)

    # -- periodic -------------------------------------------------------------------------------

    def _when_up(self, act: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def guarded() -> None:
            if not self._up or self.meter.spare < SPARE_WEIGHT:
                return
            name = getattr(act, "__name__", "poll").strip("_")
            try:
                await act()
                self._failing.discard(name)
            except (RestError, LinkLostError) as error:
                self.health.failed_polls += 1
                if name not in self._failing:  # once for each spell of failures
                    self._failing.add(name)
                    self.health.note(Severity.WARNING, "link", f"{name} failed", reason=str(error))

        return guarded

    async def _audit(self) -> None:
        await self._reconciler.audit()
        self._tell_budget()

    async def _arm(self) -> None:
        await self.dead_man.refresh(self._reconciler.foreign_open)

    async def _poll_book(self) -> None:
        """The fast book shows five levels, which our own ladder may fill: look deeper."""
        self.meter.spend(2)
        request_id = self._sender.posts.expect(self.router.on_book_reply, lambda _: None)
        question = {"type": "l2Book", "coin": self.settings.coin}
        await self.stream.send(encode.post(request_id, "info", question))

    async def _sync_budget(self) -> None:
        limit = await self._rest.rate_limit(self.account)
        self.budget.sync(limit.n_requests_used, limit.n_requests_cap)
        self._tell_budget()

    async def _sync_fees(self) -> None:
        fees = await self._rest.fees(self.account)
        self._tell_fees(fees.maker_bps, fees.taker_bps)

    def _tell_costs(self) -> None:
        if self._boot is not None:
            self._tell_fees(self._boot.maker_bps, self._boot.taker_bps)
        self._tell_budget()

    def _tell_fees(self, maker_bps: float, taker_bps: float) -> None:
        self.outlet.put(Fees(ts=self._seat.now(), maker_bps=maker_bps, taker_bps=taker_bps))

    def _tell_budget(self) -> None:
        news = self.budget.news(self._seat.now())
        if news is not None:
            self.outlet.put(news)

    async def _resolve_doubts(self) -> None:
        """Ask after doubtful orders at once, then ever more slowly until none is left."""
        while True:
            await self._doubtful.wait()
            self._doubtful.clear()
            delay_s = RESOLVE_FIRST_S
            while self.own.doubts or self.own.queries:
                try:
                    if self.meter.spare > RESOLVE_WEIGHT:
                        await self._reconciler.resolve()
                except RestError:
                    self.health.failed_polls += 1
                await asyncio.sleep(delay_s)
                delay_s = min(2.0 * delay_s, RESOLVE_MAX_S)

    async def _sweep_when_due(self) -> None:
        while True:
            await self._sweep_due.wait()
            self._sweep_due.clear()
            try:
                await self.cancel_all()
            except VenueError as error:
                self.health.note(Severity.ERROR, "order", "cancel all failed", reason=str(error))
