"""All that the engine knows, besides estimates: a fold over events."""

import math
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from itertools import count

from msgspec import Struct, structs

from mm.core.book import MarketBook
from mm.core.kill_switch import KillSwitch
from mm.core.margin import Margin
from mm.core.orders import Order, Orders
from mm.core.pnl import Pnl
from mm.core.presence import Presence
from mm.core.recourse import Recourse
from mm.core.risk import ZERO, Limits, leverage
from mm.core.settings import EngineSettings
from mm.model.actions import Action, Cancel, CancelAll, Halt, Modify, Place
from mm.model.beside import NOTHING_BESIDE
from mm.model.events import (
    ActionBudget,
    Allowance,
    Bbo,
    Book,
    Fill,
    OrderClosed,
    OrderOpened,
    OwnPrint,
    Reference,
    RejectCode,
    Rejected,
    Remedy,
    RequestKind,
    Rules,
    Start,
    Unresolved,
)
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_S, Ns, exact, nanoseconds, seconds

REMEMBERED_FILLS = 2_000
"""What a venue repeats at once; its adapter remembers all that it may ever repeat."""
DEFAULT_MAKER_FEE_BPS = 1.5
CLOSED_MEMORY_NS = 30 * NS_PER_S
TURNOVER_S = 900.0
INNOCENT = (RejectCode.NOT_OPEN, RejectCode.EXPIRED, RejectCode.NO_MATCH, RejectCode.UNSENT)
"""Refusals that say nothing of what we ask for, besides those to be retried: overtaken or lost."""
LOT_DRIFT = 0.1
"""The lot is re-derived when the price has moved by this share since it was."""


class Mismatch(Struct, frozen=True, gc=False):
    """The venue's position less ours: since when, and in how many audits in a row the same.

    Once may be a fill that crossed the snapshot on the wire; the same gap twice is not.
    """

    since: Ns
    gap: Decimal
    audits: int


class State:
    """One instrument, one account. Every number has its owner here."""

    def __init__(self, settings: EngineSettings, instrument: Instrument) -> None:
        strategy, risk = settings.strategy, settings.risk
        self.settings = settings
        self.instrument = instrument
        self.book = MarketBook(
            float(instrument.size_step), strategy.microprice, risk.max_oracle_distance_bps
        )
        self.orders = Orders()
        self.pnl = Pnl(nanoseconds(settings.stochastic.adverse.primary_s))
        self.kill = KillSwitch(risk)
        self.margin = Margin()
        self.presence = Presence()
        self.recourse = Recourse()
        self.maker_fee_bps = DEFAULT_MAKER_FEE_BPS
        self.fees_ts: Ns | None = None
        """When the venue last told its fees; None: the default."""
        self.funding_rate = 0.0
        self.reference_ts: Ns | None = None
        self.link_up = False
        self.link_reason = "connecting"
        self.audited = False
        self.mismatch: Mismatch | None = None
        self.unlike = 0
        """Audits in a row that found orders, or fills that no stream had told, to be put right."""
        self.last_fill_ts: Ns | None = None
        self.missing: set[str] = set()
        self.budget: ActionBudget | None = None
        self.allowance: Allowance | None = None
        self.flatten = False
        self.exit_told = ""
        self.cancel_all_ts: Ns = 0
        """When everything was last asked to be cancelled."""
        self._lot: tuple[float, Decimal] | None = None
        self._run_id = "00000000"
        self.cloids = self._new_cloids()
        self._closed: dict[str, Ns] = {}
        self._turnover_usd = 0.0
        self._seen: set[tuple[int, Ns]] = set()
        self._seen_order: deque[tuple[int, Ns]] = deque()

    # -- events ---------------------------------------------------------------------------------

    def start(self, event: Start) -> None:
        self._run_id = event.run_id
        self.pnl.restore(event.position, event.cash)
        self.kill.halted, self.kill.paused = event.halted, event.paused
        self.flatten = event.flatten
        self.kill.equity.restore(
            event.peak_equity, event.day_equity, event.midnight_equity, event.last_mark
        )

    def market(self, event: Book | Bbo | Reference) -> None:
        if isinstance(event, Reference):
            self.book.oracle = event.oracle
            self.funding_rate = event.funding_rate
            self.reference_ts = event.ts
            return
        self.book.apply(event, self.orders.sizes())
        if self.book.fair is not None:
            self.pnl.mark(self.book.fair, event.venue_ts)
            self.kill.moved(event.ts, self.book.fair)

    def allow(self, event: Allowance) -> None:
        self.allowance = event
        self.kill.equity.others = event.others_pnl

    def rules(self, event: Rules) -> None:
        """What rests stays as it is until the next quote moves it; lots are cut anew."""
        self.instrument = event.instrument
        self.book.step = float(event.instrument.size_step)
        self._lot = None

    def fill(self, fill: Fill) -> bool:
        """Account for a fill once; False where it was known already."""
        key = (fill.trade_id, fill.venue_ts)
        if key in self._seen:
            return False
        self._seen.add(key)
        self._seen_order.append(key)
        if len(self._seen_order) > REMEMBERED_FILLS:
            self._seen.discard(self._seen_order.popleft())
        self.orders.told(*key)
        self._turnover(fill)
        horizon = fill.venue_ts + self.pnl.horizon
        late = horizon < self.book.touch_ts
        after = self.book.fair_before(horizon + 1) if late else None
        self.pnl.fill(fill, self.book.fair_before(fill.venue_ts), after)
        order = self.orders.get(fill.cloid)
        if order is not None:
            order.fill(fill)
        return True

    def printed(self, prints: tuple[OwnPrint, ...], ts: Ns) -> None:
        for one in prints:
            if (one.trade_id, one.venue_ts) not in self._seen:
                self.orders.printed(one, ts)

    def order(self, event: OrderOpened | OrderClosed | Rejected | Unresolved) -> None:
        order = self.orders.get(event.cloid)
        if order is None:
            return
        match event:
            case OrderOpened():
                order.opened(event)
            case OrderClosed():
                order.closed(event)
            case Rejected():
                self._judge(event, order)
                order.rejected(event)
            case Unresolved():
                order.unresolved(event)

    def _judge(self, event: Rejected, order: Order) -> None:
        """What a refusal says of us: an overtaken request nothing, an empty budget to slow down."""
        news = self.recourse.heard(event, order)
        if event.code is RejectCode.BUDGET:
            known = self.budget or ActionBudget(event.ts, 0, 0)
            self.budget = structs.replace(known, ts=event.ts, used=known.cap)
        if event.echo or not news:
            self.kill.echoed(event.ts)
        elif event.kind is not RequestKind.CANCEL and _is_ours(event.code):
            self.kill.rejected(event.ts)

    def _turnover(self, fill: Fill) -> None:
        """Dollars traded per second, forgotten over `TURNOVER_S`."""
        if self.last_fill_ts is not None:
            age_s = seconds(fill.ts - self.last_fill_ts)
            self._turnover_usd *= math.exp(-age_s / TURNOVER_S)
        self._turnover_usd += float(fill.price * fill.size)
        self.last_fill_ts = fill.ts

    def earned_per_s(self, ts: Ns) -> float:
        """Actions that fills have lately earned at the venue: one a dollar traded."""
        if self.last_fill_ts is None:
            return 0.0
        age_s = seconds(max(ts - self.last_fill_ts, 0))
        return self._turnover_usd * math.exp(-age_s / TURNOVER_S) / TURNOVER_S

    def recently_closed(self, cloid: str) -> bool:
        """An order of this run that closed a moment ago: a snapshot may still list it."""
        return cloid in self._closed

    def expire(self, ts: Ns) -> None:
        """Drop what is closed and what has aged; charge presence up to now."""
        for cloid in [c for c, until in self._closed.items() if until < ts]:
            del self._closed[cloid]
        for cloid in self.orders.expire(ts):
            self._closed[cloid] = ts + CLOSED_MEMORY_NS
        self.kill.forget(ts)
        self.recourse.expire(ts)
        self.presence.advance(ts)

    # -- our own actions ------------------------------------------------------------------------

    def record(self, actions: list[Action], ts: Ns) -> None:
        """Mark actions in flight, before anything is sent."""
        for action in actions:
            if isinstance(action, Place):
                self.orders.add(Order(action, ts))
            elif isinstance(action, CancelAll):
                self.cancel_all_ts = ts
                for order in self.orders:
                    order.cancel_sent(ts)
            elif not isinstance(action, Halt):
                self._mark(action, ts)
        self.kill.sent(ts, len(actions))

    def _mark(self, action: Modify | Cancel, ts: Ns) -> None:
        order = self.orders.get(action.cloid)
        if order is None:
            return
        if isinstance(action, Modify):
            order.modify_sent(action, ts)
        else:
            order.cancel_sent(ts)

    def _new_cloids(self) -> Iterator[str]:
        """Client ids: prefix, run, counter; 32 hex digits, never reused."""
        for number in count(1):
            prefix = f"0x{self.settings.cloid_prefix}{self._run_id:0>8}"
            yield f"{prefix}{number:0{34 - len(prefix)}x}"

    # -- derived --------------------------------------------------------------------------------

    def lot_size(self, fair: float) -> Decimal:
        """One lot in base units: what `lot_usd` buys, kept while the price stays near."""
        if self._lot is not None and abs(fair / self._lot[0] - 1.0) <= LOT_DRIFT:
            return self._lot[1]
        size = self.instrument.round_size(self.settings.strategy.lot_usd / fair)
        return max(size, self.instrument.min_size(exact(fair)))

    def keep_lot(self, fair: float) -> Decimal:
        """As `lot_size`, which quotes from now on keep: a decision, where that only looks."""
        lot = self.lot_size(fair)
        if self._lot is None or self._lot[1] != lot:
            self._lot = (fair, lot)
        return lot

    def limits(self, fair: float) -> Limits:
        """What may be held and rest at this price."""
        settings = self.settings.risk
        most = self.instrument.leverage_at(settings.max_position_usd)
        equity, beside = self.margin_equity, self.margin.beside
        limits = Limits.at(settings, fair, equity, most, self.allowance)
        if equity is not None and beside != NOTHING_BESIDE:
            free = max(ZERO, equity - beside.margin) * leverage(settings, most)
            limits = limits.less(beside, free)
        share = self.recourse.share
        return limits if share == 1 else structs.replace(limits, share=share)

    @property
    def equity(self) -> Decimal | None:
        return self.kill.equity.now(self.pnl.total)

    @property
    def margin_equity(self) -> Decimal | None:
        """What of equity orders may count on: the venue's own word, where that is less."""
        profit = self.pnl.total + self.kill.equity.others
        return self.margin.equity(self.equity, profit)


def _is_ours(code: RejectCode) -> bool:
    """Is the fault in what we ask for?"""
    return code.remedy is not Remedy.RETRY and code not in INNOCENT
