"""One quote cycle: parameters -> quote -> ladder -> diff -> approved actions."""

import math
from collections.abc import Iterator
from decimal import Decimal

from msgspec import structs

from mm.core import risk
from mm.core.diff import diff, even, too_near
from mm.core.guard import Verdict
from mm.core.hysteresis import free_bps, tolerance, with_room
from mm.core.orders import Orders
from mm.core.ration import SPENT, Pace, Ration
from mm.core.reducing import only_reducing
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.core.stochastic.components import StochasticComponents
from mm.core.strategy import glft, ladder
from mm.core.strategy.params import ParameterAggregator, ParameterSources
from mm.model.actions import Action, Cancel, Data, Modify, Note, Place, Severity
from mm.model.events import Event, Fill, Tick
from mm.model.market_params import MarketParams, NotReady, Premium
from mm.model.quote import Binding, Ladder, Quote, SideQuote
from mm.model.units import BPS, NS_PER_MS, SIDES, Ns, Side, nanoseconds, seconds

STALE_AFTER_S = 1.0


class Quoting:
    """Decides when and what to quote; remembers the last decision for hysteresis and the view."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings.strategy
        self.params: MarketParams | NotReady = NotReady("starting")
        self.quote: Quote | None = None
        self.ladder = Ladder()
        self.tolerance = even(settings.strategy.hysteresis_min_bps)
        self._decided_ts: Ns | None = None
        self._decided_fair: float | None = None
        self._steered_ts: Ns | None = None
        """The last decision that could move quotes, the link being up."""
        self._filled = False
        """Something of ours was filled since the last decision: the next is owed soon."""
        self._bindings: dict[Side, str] = {}
        self._ration = Ration(settings.strategy)
        self.pace = Pace(math.inf, 0.0, settings.strategy.levels)
        """What the action budget allows."""

    def due(self, state: State, event: Event) -> bool:
        """On each Tick; and after a fill or a move of S by `requote_bps`, at most so often."""
        if isinstance(event, Tick):
            return True
        if self._decided_ts is None or self._decided_fair is None or state.book.fair is None:
            return False
        self._filled = self._filled or isinstance(event, Fill)
        if event.ts - self._decided_ts < self._settings.min_requote_ms * NS_PER_MS:
            return False
        moved = abs(state.book.fair / self._decided_fair - 1.0) * BPS
        return self._filled or moved > self._settings.requote_bps

    def decide(
        self, state: State, components: StochasticComponents, verdict: Verdict, ts: Ns
    ) -> tuple[list[Action], list[Note]]:
        """Quote, or say per side why not. Without a price everything that rests is cancelled."""
        self._decided_ts, self._decided_fair, self._filled = ts, state.book.fair, False
        fair, limits = state.book.fair, None
        if fair is not None:
            limits = state.limits(fair)
        if verdict.no_price or limits is None:
            self.params, self.quote = NotReady(verdict.no_price or "no fair price yet"), None
            self.ladder = _blocked(self.params.reason)
        else:
            self._price(state, components, limits, ts)
            if verdict.reduce_only:
                position, instrument = state.pnl.position, state.instrument
                self.ladder = only_reducing(self.ladder, position, instrument, verdict.reduce_only)
        if state.link_up:
            self._steered_ts = ts
        able = _reachable(state, self._steered_ts, ts)
        actions, refused = self._act(state, limits, ts) if able else ([], [])
        notes = self._say(state, actions, refused, ts)
        return actions, [*notes, *components.calibration.take_notes()]

    # -- what we want ---------------------------------------------------------------------------

    def _price(
        self, state: State, components: StochasticComponents, limits: risk.Limits, ts: Ns
    ) -> None:
        fair = float(limits.fair)
        lot = state.keep_lot(fair)
        sources = ParameterSources(
            ts=ts,
            fair=fair,
            components=components,
            maker_fee_bps=state.maker_fee_bps,
            max_inventory_lots=limits.whole_lots(lot),
            premia=_premia(state, components, ts),
            strategy=self._settings,
            inventory_lots=float(state.pnl.position / lot),
        )
        self.params = ParameterAggregator.build(sources)
        if isinstance(self.params, NotReady):
            self.quote, self.ladder = None, _blocked(self.params.reason)
            return
        target = glft.target_inventory(self.params, state.funding_rate)
        exact, inventory = self._settings.exact_glft, sources.inventory_lots
        quote = glft.quote(self.params, inventory, exact, target)
        market = self.params.sigma, self.params.kappa
        self.pace = self._ration.pace(state.budget, state.earned_per_s(ts), market, ts)
        free = free_bps(self._settings, self.params, state.instrument.tick_bps(fair))
        self.quote = with_room(quote, self.params, self.pace, free, inventory)
        ParameterAggregator.record(sources, self.params, self.quote)
        built = ladder.build(self.quote, self.params, self._frame(state, limits, lot))
        self.ladder = _with_numbers(built, limits)
        least = self._settings.hysteresis_min_bps
        self.tolerance = tolerance(self.quote, self.params, self.pace, free, least, inventory)

    def _frame(self, state: State, limits: risk.Limits, lot: Decimal) -> ladder.Frame:
        position = state.pnl.position
        return ladder.Frame(
            instrument=state.instrument,
            lot_size=lot,
            room_bid=limits.room(Side.BID, position),
            room_ask=limits.room(Side.ASK, position),
            best_bid=state.book.bid,
            best_ask=state.book.ask,
            levels=self.pace.levels,
            entropy_ratio=self._settings.entropy_ratio,
            spacing_per_kappa=self._settings.level_spacing_per_kappa,
        )

    # -- what we do -----------------------------------------------------------------------------

    def _act(
        self, state: State, limits: risk.Limits | None, ts: Ns
    ) -> tuple[list[Action], list[risk.Refusal]]:
        actions = diff(self.ladder, state.orders, self.tolerance, state.cloids)
        if not actions or limits is None:
            return actions, []
        reviewed = risk.review(actions, state.orders, state.pnl.position, limits)
        position, seen_ts = state.pnl.position, state.book.seen_ts
        asked = state.recourse.review(reviewed.approved, state.orders, position, seen_ts, ts)
        taken = self._ration.of(asked, state.orders, state.budget, ts)
        withdrawn = self._withdrawn(asked, taken, state.orders)
        return [*taken, *withdrawn], [*reviewed.refused, *_held(asked, taken)]

    def _withdrawn(
        self, asked: list[Action], taken: list[Action], orders: Orders
    ) -> Iterator[Cancel]:
        """Cancels of what rests too near to the market and cannot be moved for want of actions."""
        for action in asked if len(taken) < len(asked) else ():
            if isinstance(action, Modify) and action not in taken:
                order = orders.get(action.cloid)
                first = self.ladder.levels(action.side)[0]
                if order is not None and too_near(order, first, self.tolerance):
                    yield Cancel(action.cloid)

    def _say(
        self, state: State, actions: list[Action], refused: list[risk.Refusal], ts: Ns
    ) -> list[Note]:
        """Charge presence; note refusals and each change of a side's reason or binding term."""
        notes: list[Note] = []
        for refusal in refused:
            data: Data = {"side": refusal.side.label, "level": refusal.level}
            data = {**data, "reason": refusal.reason}
            notes.append(Note(ts, Severity.DEBUG, "risk", "Order refused by a limit", data))
        standing, waits = state.orders.standing(), state.recourse.waiting(ts)
        for side in SIDES:
            blocked = self._blocked(side)
            if not blocked and side not in standing:
                blocked = _nothing_rests(state, side, actions, refused, waits)
            if state.presence.judge(ts, side, blocked):
                text = f"Not quoting {side.label}" if blocked else f"Quoting {side.label}"
                data = {"reason": blocked} if blocked else {}
                notes.append(Note(ts, Severity.INFO, "quote", text, data))
            binding = self.binding(side)
            if binding and binding != self._bindings.get(side):
                data = {"side": side.label, "was": self._bindings.get(side, ""), "now": binding}
                notes.append(Note(ts, Severity.DEBUG, "quote", "Binding term changed", data))
                self._bindings[side] = binding
        return notes

    def _blocked(self, side: Side) -> str:
        return self.ladder.blocked_bid if side is Side.BID else self.ladder.blocked_ask

    def binding(self, side: Side) -> str:
        """The rule that set the price of a side's first level; "" while it has none."""
        quote = self.side(side)
        return "" if quote is None else bound_by(quote, self.ladder)

    def side(self, side: Side) -> SideQuote | None:
        if self.quote is None:
            return None
        return self.quote.bid if side is Side.BID else self.quote.ask


def bound_by(quote: SideQuote, rests: Ladder) -> str:
    """What set the price of the first level: the quote's own rule, or the clamp; "" without one."""
    if not rests.levels(quote.side):
        return ""
    clamped = rests.clamped_bid if quote.side is Side.BID else rests.clamped_ask
    return Binding.CLAMP.value if clamped else quote.binding.value


def _with_numbers(ladder: Ladder, limits: risk.Limits) -> Ladder:
    """`risk limit` says how much it allows: equity may bind long before the configured limit."""
    if "risk limit" not in (ladder.blocked_bid, ladder.blocked_ask):
        return ladder
    bid, ask = (
        f"risk limit: {limits.allowed(side)}" if reason == "risk limit" else reason
        for side, reason in ((Side.BID, ladder.blocked_bid), (Side.ASK, ladder.blocked_ask))
    )
    return structs.replace(ladder, blocked_bid=bid, blocked_ask=ask)


def _nothing_rests(
    state: State, side: Side, actions: list[Action], refused: list[risk.Refusal], waits: str
) -> str:
    """Why a wanted side, of which nothing stands, has no order on its way either, or ""."""
    if not state.link_up:
        return ""
    if any(isinstance(action, Place) and action.side is side for action in actions):
        return ""
    reasons = (refusal.reason for refusal in refused if refusal.side is side)
    if waits:
        return f"refused by the venue: asking again later: {waits}"
    return next(reasons, "waiting for the last order to be gone")


def _held(asked: list[Action], taken: list[Action]) -> list[risk.Refusal]:
    """First orders of a side that the action budget keeps for later."""
    if len(taken) == len(asked):
        return []
    firsts = [a for a in asked if isinstance(a, Place) and a.level == 1 and a not in taken]
    return [risk.Refusal(a.side, a.level, SPENT) for a in firsts]


def _reachable(state: State, steered_ts: Ns | None, ts: Ns) -> bool:
    """A link that went a moment ago is soon back: orders keep their place in the queue until the
    book is stale, or was when they were last steered: one connection after another may bring a
    fresh book and end before the link is up. Then they go, by whatever way out the venue port has
    besides the link."""
    if state.link_up:
        return True
    max_age = nanoseconds(state.settings.risk.max_book_age_s)
    known = (state.book.seen_ts, steered_ts)
    return any(at is not None and ts - at > max_age for at in known)


def _blocked(reason: str) -> Ladder:
    return Ladder(blocked_bid=reason, blocked_ask=reason)


def _premia(state: State, components: StochasticComponents, ts: Ns) -> tuple[Premium, ...]:
    """The one premium: what S may have moved since the book was last seen, σ√age.

    None for volatility, which σ itself carries. A short action budget widens the hysteresis, and
    has a term of its own where that needs room.
    """
    if state.book.seen_ts is None:
        return ()
    age_s = seconds(ts - state.book.seen_ts) - STALE_AFTER_S
    if age_s <= 0.0:
        return ()
    sigma = components.sigma(ts)
    bps = 0.0 if sigma is None else sigma.value * math.sqrt(age_s)
    return (Premium("stale_data", bps, bps),)
