"""One quote cycle: parameters -> quote -> ladder -> diff -> approved actions."""

import math
from decimal import Decimal

from msgspec import structs

from mm.core import risk
from mm.core.diff import Band, Tolerance, diff, even
from mm.core.guard import Verdict
from mm.core.ration import Ration
from mm.core.reducing import only_reducing
from mm.core.settings import EngineSettings, StrategySettings
from mm.core.state import State
from mm.core.stochastic.components import StochasticComponents
from mm.core.strategy import glft, ladder
from mm.core.strategy.params import ParameterAggregator, ParameterSources
from mm.model.actions import Action, Data, Note, Place, Severity
from mm.model.events import Event, Fill, Tick
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams, NotReady, Premium
from mm.model.quote import Binding, Ladder, Level, Quote, SideQuote
from mm.model.units import BPS, NS_PER_MS, SIDES, Ns, Side, nanoseconds, price_at, seconds

TOLERANCE_PER_KAPPA = 0.3
"""Hysteresis never exceeds this share of 1/κ, or fill rates would differ from the model's."""
GRANTED_PER_S = 0.1
"""What the venue allows to an address whose budget is spent."""
SPENT_OF_EARNED = 0.8
SPENT_ON_LEVEL_1 = 0.8
DEEP = 4.0
"""√((8/0.2)/(2/0.8)): eight deeper orders on a fifth of the actions."""
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
        self._filled = False
        """Something of ours was filled since the last decision: the next is owed soon."""
        self._bindings: dict[Side, str] = {}
        self._tick_bps = 0.0
        self._instrument: Instrument | None = None
        self._ration = Ration()

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
        actions, refused = self._act(state, limits, ts) if _reachable(state, ts) else ([], [])
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
            max_inventory_lots=max(1, math.floor(limits.max_position / lot)),
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
        self.quote = glft.quote(self.params, inventory, exact, target)
        ParameterAggregator.record(sources, self.params, self.quote)
        built = ladder.build(self.quote, self.params, self._frame(state, limits, lot))
        self.ladder = _with_numbers(built, limits)
        self._instrument = state.instrument
        self._tick_bps = state.instrument.tick_bps(fair)
        self.tolerance = self._tolerance(state, self.params, self.quote)

    def _frame(self, state: State, limits: risk.Limits, lot: Decimal) -> ladder.Frame:
        position = state.pnl.position
        return ladder.Frame(
            instrument=state.instrument,
            lot_size=lot,
            room_bid=limits.room(Side.BID, position),
            room_ask=limits.room(Side.ASK, position),
            best_bid=state.book.bid,
            best_ask=state.book.ask,
            levels=self._settings.levels,
            entropy_ratio=self._settings.entropy_ratio,
            spacing_per_kappa=self._settings.level_spacing_per_kappa,
        )

    def _tolerance(self, state: State, params: MarketParams, quote: Quote) -> Tolerance:
        """Some σ√dt, a tick at least (rounding flips it), a share of 1/κ at the most; wider where
        the action budget asks for it."""
        settings = self._settings
        least = settings.hysteresis_min_bps
        drift = settings.hysteresis_sigmas * params.sigma * math.sqrt(settings.quote_interval_s)
        drift = max(drift, 1.01 * self._tick_bps)
        bps = max(least, min(drift, TOLERANCE_PER_KAPPA / params.kappa))
        paid = affordable_bps(state, params.sigma, settings)
        room = [_above_floor(side, params) for side in (quote.bid, quote.ask)]
        near, deep = max(bps, paid), max(bps, DEEP * paid)
        return Tolerance(
            Band(near, *(max(least, min(near, bps_left)) for bps_left in room)),
            Band(deep, *(max(least, min(deep, bps_left)) for bps_left in room)),
        )

    # -- what we do -----------------------------------------------------------------------------

    def _act(
        self, state: State, limits: risk.Limits | None, ts: Ns
    ) -> tuple[list[Action], list[risk.Refusal]]:
        actions = diff(self.ladder, state.orders, self.tolerance, state.cloids)
        if not actions or limits is None:
            return actions, []
        reviewed = risk.review(actions, state.orders, state.pnl.position, limits)
        return self._ration.of(reviewed.approved, state.budget, ts), reviewed.refused

    def _say(
        self, state: State, actions: list[Action], refused: list[risk.Refusal], ts: Ns
    ) -> list[Note]:
        """Charge presence; note refusals and each change of a side's reason or binding term."""
        notes: list[Note] = []
        for refusal in refused:
            data: Data = {"side": refusal.side.label, "level": refusal.level}
            data = {**data, "reason": refusal.reason}
            notes.append(Note(ts, Severity.DEBUG, "risk", "Order refused by a limit", data))
        for side in SIDES:
            blocked = self._blocked(side) or _nothing_rests(state, side, actions, refused)
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
        quote, levels, instrument = self.side(side), self.levels(side), self._instrument
        if instrument is None or quote is None or not levels or isinstance(self.params, NotReady):
            return ""
        return bound_by(quote, levels[0], self.params.fair, instrument).value

    def side(self, side: Side) -> SideQuote | None:
        if self.quote is None:
            return None
        return self.quote.bid if side is Side.BID else self.quote.ask

    def levels(self, side: Side) -> tuple[Level, ...]:
        return self.ladder.bids if side is Side.BID else self.ladder.asks


def bound_by(quote: SideQuote, first: Level, fair: float, instrument: Instrument) -> Binding:
    """What set the price of the first level: the quote's own rule, or the post-only clamp."""
    wanted = instrument.round_price(price_at(quote.side, quote.depth_bps, fair), quote.side)
    return quote.binding if first.price == wanted else Binding.CLAMP


def affordable_bps(state: State, sigma: float, settings: StrategySettings) -> float:
    """The hysteresis of level 1 that the action budget can pay for, on both sides alike.

    A random walk leaves a band of ±T after T²/σ² seconds on average, so n quotes kept within T
    need n·σ²/T² actions/s. What can be spent: what is left at left/horizon, what the venue grants
    even then, both shared evenly with the instruments beside this one, and most of what trading
    earns (an action a dollar). Level 1 gets most of it, and the levels behind it the rest, which
    widens their band by `DEEP`.
    """
    if state.budget is None:
        return 0.0
    left = max(state.budget.cap - state.budget.used, 0)
    rate = left / (settings.action_budget_horizon_h * 3600.0) + GRANTED_PER_S
    rate = rate / state.budget.sharers + SPENT_OF_EARNED * state.turnover_usd_per_s
    return sigma * math.sqrt(2.0 / (SPENT_ON_LEVEL_1 * rate))


def _above_floor(quote: SideQuote | None, params: MarketParams) -> float:
    """How far the wanted depth lies above fee + adverse + min_edge, bps."""
    if quote is None:
        return 0.0
    a = params.adverse_bid_bps if quote.side is Side.BID else params.adverse_ask_bps
    return quote.depth_bps - params.maker_fee_bps - max(a, 0.0) - params.min_edge_bps


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
    state: State, side: Side, actions: list[Action], refused: list[risk.Refusal]
) -> str:
    """Why a side that is wanted has no order at the venue and none on its way, or ""."""
    coming = any(isinstance(action, Place) and action.side is side for action in actions)
    if coming or not state.link_up or any(not order.ended for order in state.orders.side(side)):
        return ""
    reasons = (refusal.reason for refusal in refused if refusal.side is side)
    return f"no order: {next(reasons, 'waiting for the last to be gone')}"


def _reachable(state: State, ts: Ns) -> bool:
    """A link that went a moment ago is soon back: orders keep their place in the queue until the
    book is stale. Then they go, by whatever way out the venue port has besides the link."""
    seen = state.book.seen_ts
    max_age = nanoseconds(state.settings.risk.max_book_age_s)
    return state.link_up or (seen is not None and ts - seen > max_age)


def _blocked(reason: str) -> Ladder:
    return Ladder(blocked_bid=reason, blocked_ask=reason)


def _premia(state: State, components: StochasticComponents, ts: Ns) -> tuple[Premium, ...]:
    """The one premium: what S may have moved since the book was last seen, σ√age.

    None for volatility, which σ itself carries, nor for a short action budget, which widens the
    hysteresis instead: fewer edits at the same depth keep the fills that refill it.
    """
    if state.book.seen_ts is None:
        return ()
    age_s = seconds(ts - state.book.seen_ts) - STALE_AFTER_S
    if age_s <= 0.0:
        return ()
    sigma = components.sigma(ts)
    bps = 0.0 if sigma is None else sigma.value * math.sqrt(age_s)
    return (Premium("stale_data", bps, bps),)
