"""A daemon broken in how it behaves: halts, feeds, reasons, tasks."""

import asyncio
from decimal import Decimal
from itertools import count

from msgspec import structs

from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.stream import Stream
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.app import boot
from mm.app.clock import WallClock
from mm.app.live import tick as real_tick
from mm.app.ports import Turner
from mm.app.traders import Traders
from mm.core import guard, halting, quoting, risk
from mm.core.engine import Engine
from mm.core.kill_switch import LOSSES, KillSwitch
from mm.core.kill_switch import price_reason as real_price_reason
from mm.core.presence import Presence
from mm.core.settings import RiskSettings
from mm.core.state import State
from mm.core.strategy import ladder
from mm.model.actions import CancelAll, Halt
from mm.model.events import Command, Event, Start, Tick
from mm.model.market_params import MarketParams
from mm.model.quote import Ladder, Quote
from mm.model.units import Ns, Side
from tests.system.broken_books import Outcome, Patch, approve_all, nothing, now_and_then

# -- halts --------------------------------------------------------------------------------------


def quotes_while_halted(patch: Patch) -> None:
    patch.setattr(guard, "halted", guard.broken_limit)


def halts_without_cancelling(patch: Patch) -> None:
    real = halting.leave

    def leave(state: State, reason: str, event: Event) -> Outcome:
        actions, notes = real(state, reason, event)
        return [action for action in actions if not isinstance(action, CancelAll)], notes

    patch.setattr(halting, "leave", leave)


def forgets_a_halt_at_a_restart(patch: Patch) -> None:
    real = State.start

    def start(self: State, event: Start) -> None:
        real(self, event)
        self.kill.halted = ""

    patch.setattr(State, "start", start)


def halts_for_nothing(patch: Patch) -> None:
    real, due = Engine._tick, now_and_then()

    def tick(self: Engine, event: Tick) -> Outcome:
        actions, notes = real(self, event)
        if due() and self.state.pnl.position:
            self.state.kill.halted = "chance"
            actions = [Halt("chance"), CancelAll("chance")]
        return actions, notes

    patch.setattr(Engine, "_tick", tick)


def never_halts_on_losses(patch: Patch) -> None:
    real = KillSwitch.halt_reason

    def halt_reason(self: KillSwitch, total: Decimal) -> str:
        found = real(self, total)
        return "" if found.startswith(LOSSES) else found

    patch.setattr(KillSwitch, "halt_reason", halt_reason)


def never_halts_on_a_daily_loss(patch: Patch) -> None:
    real = KillSwitch.halt_reason

    def halt_reason(self: KillSwitch, total: Decimal) -> str:
        found = real(self, total)
        return "" if found.startswith("daily loss") else found

    patch.setattr(KillSwitch, "halt_reason", halt_reason)


def is_deaf_to_resume(patch: Patch) -> None:
    real = Traders.handle

    def handle(self: Traders, event: Event) -> None:
        if not (isinstance(event, Command) and event.verb == "resume"):
            real(self, event)

    patch.setattr(Traders, "handle", handle)


# -- quotes -------------------------------------------------------------------------------------


def quotes_on_a_stale_feed(patch: Patch) -> None:
    def price_reason(
        settings: RiskSettings, ts: Ns, _: Ns | None, fair: float | None, oracle: float | None
    ) -> str:
        return real_price_reason(settings, ts, ts, fair, oracle)

    patch.setattr(guard, "price_reason", price_reason)


def leaves_its_orders_when_the_link_goes(patch: Patch) -> None:
    patch.setattr(quoting, "_reachable", lambda state, *_: state.link_up)


def hides_why_it_does_not_quote(patch: Patch) -> None:
    real = Presence.judge

    def judge(self: Presence, ts: Ns, side: Side, _: str) -> bool:
        return real(self, ts, side, "")

    patch.setattr(Presence, "judge", judge)


def crosses_its_own_orders(patch: Patch) -> None:
    real = ladder.build

    def build(quote: Quote, params: MarketParams, frame: ladder.Frame) -> Ladder:
        built = real(quote, params, frame)
        if not (built.bids and built.asks):
            return built
        first = structs.replace(built.bids[0], price=built.asks[0].price)
        return structs.replace(built, bids=(first, *built.bids[1:]))

    patch.setattr(ladder, "build", build)
    patch.setattr(risk, "review", approve_all)


def decides_by_chance(patch: Patch) -> None:
    """By what is not in its events: a replay differs."""
    real, due = State.keep_lot, now_and_then()

    def keep_lot(self: State, fair: float) -> Decimal:
        return real(self, fair) * (Decimal("0.9") if due() else 1)

    patch.setattr(State, "keep_lot", keep_lot)


# -- tasks and buffers --------------------------------------------------------------------------


def forgets_to_subscribe_again(patch: Patch) -> None:
    """From the second connection on."""
    real, times = Stream.subscribe, count()

    async def subscribe(self: Stream, *channels: str) -> None:
        await real(self, *(channels if next(times) < 2 else channels[:1]))

    patch.setattr(Stream, "subscribe", subscribe)
    patch.setattr(Stream, "acknowledged", nothing)


def leaks_a_task(patch: Patch) -> None:
    real, leaked = HyperliquidVenue.on_connected, []

    async def on_connected(self: HyperliquidVenue) -> None:
        leaked.append(asyncio.create_task(asyncio.sleep(1e9)))
        await real(self)

    patch.setattr(HyperliquidVenue, "on_connected", on_connected)


def never_gives_a_request_up(patch: Patch) -> None:
    patch.setattr(Posts, "lose", lambda *_: None)


def loses_its_timer_unnoticed(patch: Patch) -> None:
    """A task that dies of an error is not missed."""

    async def tick(runner: Turner, clock: WallClock, period_s: float) -> None:
        try:
            await real_tick(runner, clock, period_s)
        except Exception:  # noqa: BLE001 - that is what is broken
            await asyncio.sleep(1e9)

    patch.setattr(boot, "tick", tick)
