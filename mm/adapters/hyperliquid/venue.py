"""Hyperliquid as a venue: one account, one connection, a desk for each coin."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import nullcontext
from functools import partial

from mm.adapters.hyperliquid.annul import Annuller
from mm.adapters.hyperliquid.bootstrap import bootstrap, remark
from mm.adapters.hyperliquid.budget import AddressBudget, WeightMeter
from mm.adapters.hyperliquid.dead_man import DeadMan
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.lookout import Lookout
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
    first_leaf,
)
from mm.adapters.hyperliquid.sweep import Sweeper
from mm.adapters.hyperliquid.terms import RULES_PAUSE_S, Terms
from mm.adapters.hyperliquid.timers import every, when
from mm.adapters.hyperliquid.verdicts import Verdicts
from mm.model.actions import Severity
from mm.model.events import Event, Link
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, seconds

TERMS_PERIOD_S = 3600.0
CLEAR_S = 0.5
RELINK = 3 * NS_PER_S
"""A lost link is mostly up again by then, and what became of orders is asked of it all at once."""


class HyperliquidVenue:
    """The port `Venue`. Usage: `open` a desk for each further coin, `bootstrap`, `remember` what
    the ledger knows, `run` as a task, `send`; at the end `cancel_all`, with `run` still going or
    already cancelled.

    `emit` and `send` are those of the first coin's desk. No coroutine leaves a socket or task
    behind.
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
        self.meter = WeightMeter(clock.now, settings.asking.weight_per_min)
        self.own = own = OwnOrders(cloid_prefix)
        self.desks = desks = Desks(own)
        self._seat = seat = Seat(settings, signer, clock)
        self._rest = rest = Rest(settings.url, settings.request_timeout_s, self.meter)
        rest.on_wait = health.waits
        self.stream = Stream(settings, seat.account, clock, health, self)
        verdicts = Verdicts(own, desks, health, clock.now)
        self._sender = Sender(seat, self.stream, rest, self.budget, verdicts)
        self.router = Router(desks, health, self.stream, self._sender.posts, hooks)
        self._lookout = Lookout(seat, self.stream, rest, desks, self._sender, self.router)
        self._reconciler = Reconciler(seat, rest, own, desks, health)
        self._sweeper = Sweeper(seat, rest, own, self.budget, desks)
        self._annuller = Annuller(seat, rest, own, self.budget)
        self._terms = Terms(seat, rest, self.budget, desks)
        self.dead_man = DeadMan(seat, rest, health)
        self.found: dict[str, Bootstrap] = {}
        """What the venue said at the start, by coin."""
        self._swept = self._up = False
        self._doubtful, self._sweep_due = asyncio.Event(), asyncio.Event()
        self._to_sweep, self._failing = set[str](), set[str]()
        verdicts.wake = self.router.wake = self._doubtful.set
        verdicts.on_old_rules = self._terms.old_rules.set
        verdicts.cancel_again, verdicts.annul = self._sweeper.lost.set, self._annuller.lost.set
        self._annuller.on_annulled = self._reconciler.resolver.hurry.set
        self._sender.on_cancel_all = self._sweep_soon
        health.left = self._sender.left
        first = self.open(settings.coin, emit)
        self.send, self.outlet = first.send, first.outlet

    @property
    def account(self) -> str:
        return self._seat.account

    def open(self, coin: str, emit: Callable[[Event], None]) -> Desk:
        """A desk for one of the settings' coins; `emit` is told all that concerns it."""
        inbox = Inbox(self.account, coin, self.own, self.health)
        desk = Desk(coin, inbox, Outlet(emit))
        desk.send = partial(self._sender.put, coin)
        self.desks.add(desk)
        return desk

    # -- the port -------------------------------------------------------------------------------

    async def bootstrap(self) -> Bootstrap:
        """Ask the venue for all that a start needs. VenueError: one line that names the fix."""
        async with self._rest:
            self.found = await bootstrap(self._seat, self._rest, self.health)
        self._terms.begin(self.found)
        boot = self.found[self.settings.coin]
        remark(boot, self.health)
        for desk in self.desks:
            if not desk.remembered:
                desk.inbox.remember((), boot.venue_ms, boot.venue_ms)
        return boot

    def remember(
        self,
        known_fills: Iterable[tuple[int, Ns]],
        last_fill_ms: int,
        last_funding_ms: int,
        coin: str | None = None,
        first_ms: int = 0,
    ) -> None:
        """What was told in former runs: (trade_id, venue_ts) of at least the last minute's fills.
        Later ones are told, as missed, before the link is up; none of before the first of those
        runs. Without this call: those after the bootstrap. `coin` None: the first.
        """
        keys = ((trade_id, venue_ts // NS_PER_MS) for trade_id, venue_ts in known_fills)
        desk = self.desks.get(coin or self.settings.coin)
        if desk is not None:
            desk.inbox.remember(keys, last_fill_ms, last_funding_ms, first_ms)
            desk.remembered = True

    async def run(self) -> None:
        """Until cancelled. Raises only what cannot heal."""
        if not self.found:
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
                self.desks.flush()

    def _jobs(self) -> Iterator[Coroutine[None, None, None]]:
        yield from (one.run() for one in (self.stream, self._sender))
        yield from (one.insist() for one in (self._sweeper, self._annuller))
        yield self._terms.keep_telling()
        yield from (desk.outlet.watch() for desk in self.desks)
        yield self._reconciler.resolver.run(self._doubtful)
        yield self._reconciler.others.watch(self._when_up(self._reconciler.audit))
        yield when(self._sweep_due, self._sweep_asked)
        yield when(self._terms.old_rules, self._when_up(self._terms.sync_rules), RULES_PAUSE_S)
        yield every(self.settings.poll_book_s, self._look)
        for period_s, act in (
            (self.settings.asking.audit_s, self._audit),
            (self.settings.asking.budget_poll_s, self._terms.sync_budget),
            (TERMS_PERIOD_S, self._terms.sync_fees),
            (TERMS_PERIOD_S, self._terms.sync_rules),
            (self.dead_man.period_s, self._arm),
        ):
            yield every(period_s, self._when_up(act))

    async def cancel_all(self, coins: frozenset[str] | None = None) -> int:
        """Cancel our orders, of these coins or all, and look again for up to `cancel_all_s`: how
        many still rest. Missed fills are told. VenueError where the venue would not even say."""
        if not self.found:
            await self.bootstrap()
        leaving = coins is None
        if leaving:
            self._sender.drop_quotes()
        async with self._rest, self._annuller.at_work() if leaving else nullcontext():
            left = await self._sweeper.sweep(self._reconciler, self.settings.cancel_all_s, coins)
            await self._clear(leaving and left == 0)
        self.desks.flush()
        return left

    async def _clear(self, nothing_rests: bool) -> None:
        """What traded while orders left; beside it, for that may wait, the dead-man switch."""
        try:
            async with asyncio.timeout(CLEAR_S), asyncio.TaskGroup() as beside:
                if nothing_rests:
                    beside.create_task(self.dead_man.clear())
                await self._reconciler.missed.fills(urgent=self.meter.may_add_risk)
        except* (TimeoutError, RestError) as failed:
            why = str(failed.exceptions[0]) or "too slow"
            text = "the last fills are not known yet: the next start will be told them"
            self.health.note(Severity.WARNING, "fill", text, reason=why)

    # -- the connection's life ------------------------------------------------------------------

    async def on_connected(self) -> None:
        """User channels first and held back; then what REST knows; then what was held back."""
        self.router.hold()
        for desk in self.desks:
            desk.inbox.drop_trades_before(self._seat.venue_ms())
        await self.stream.subscribe(*USER_CHANNELS, *MARKET_CHANNELS)
        await self.stream.acknowledged(*USER_CHANNELS)
        empty = None if self._swept else await self._sweep_leftovers()
        confirm = partial(self._reconciler.confirm, await self._reconciler.catch_up(empty))
        if first := not self._reconciler.audited:
            await confirm()
        self.router.release()
        self._up = self.stream.served = True
        self.desks.put(Link(ts=self._seat.now(), up=True, reason="connected"))
        self._doubtful.set()
        self._terms.tell_all()
        if not first:
            await self._try(confirm)
        await self._when_up(self._arm)()
        if self._terms.may_be_old:  # upgrades drop all connections
            await self._when_up(self._terms.sync_rules)()

    def on_frame(self, text: str, ts: Ns) -> None:
        self.router.on_frame(text, ts)

    def on_lost(self, reason: str) -> None:
        if self._up:
            self._reconciler.resolver.relinking_until = self._seat.now() + RELINK
        self._up = False
        self.router.drop_held()
        self._sender.posts.lose_all(reason)
        self.desks.put(Link(ts=self._seat.now(), up=False, reason=reason))

    async def _sweep_leftovers(self) -> Ns | None:
        """Orders of a former run: ours by prefix, and nobody steers them. When it was asked for
        what has shown that none is left."""
        try:
            left = await self._sweeper.sweep(self._reconciler, self.settings.cancel_all_s)
        except VenueError as error:
            raise LinkLostError(str(error)) from None
        self._swept = True
        if left:
            self.health.note(Severity.WARNING, "order", "orders of a former run rest", count=left)
        return None if left else self._sweeper.listed

    # -- periodic -------------------------------------------------------------------------------

    def _when_up(self, act: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def guarded() -> None:  # the dead-man switch at any weight: else it fires on us
            if self._up and (act == self._arm or self.meter.may_poll):
                await self._try(act)

        return guarded

    async def _try(self, act: Callable[[], Awaitable[None]]) -> None:
        name = getattr(act, "__name__", "account").strip("_")
        try:
            await act()
            self._failing.discard(name)
        except (RestError, LinkLostError) as error:
            self.health.failed_polls += 1
            if name not in self._failing:  # once for each spell of failures
                self._failing.add(name)
                self.health.note(Severity.WARNING, "link", f"{name} failed", reason=str(error))

    async def _look(self) -> None:
        if not self._up:
            await self._try(self._lookout.glance)
        elif self.meter.may_look and self.stream.messages.may_add_risk:
            await self._try(self._lookout.deepen)

    async def _audit(self) -> None:
        """Unless a new connection's audit was no longer ago than half the time between two."""
        age_s = seconds(self._seat.now() - self._reconciler.audited)
        if age_s * 2.0 >= self.settings.asking.audit_s:
            await self._reconciler.audit()
        await self._terms.review_budget()

    async def _arm(self) -> None:
        await self.dead_man.refresh(self._reconciler.ask)

    def _sweep_soon(self, coin: str) -> None:
        self._to_sweep.add(coin)
        self._sweep_due.set()

    async def _sweep_asked(self) -> None:
        coins, self._to_sweep = frozenset(self._to_sweep), set()
        try:
            await self.cancel_all(coins)
        except VenueError as error:
            self.health.note(Severity.ERROR, "order", "cancel all failed", reason=str(error))
