"""How fast actions may be spent, so that neither a budget nor a minute's limit is used up."""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from mm.core.orders import Orders
from mm.core.settings import StrategySettings
from mm.model.actions import Action, Modify, Place
from mm.model.events import ActionBudget
from mm.model.units import NS_PER_S, Ns, seconds

GRANT_NS: Final[Ns] = 21 * NS_PER_S // 2
"""The venue takes one action in 10 s from a spent address; half a second is for the way there."""
GRANTED_PER_S = 0.1
SPENT: Final = "action budget spent"
"""Why a side waits for its first order meanwhile."""
EARLY = 5_000
"""Half of what each address begins with. What is left above it may go within `EARLY_S`: whoever
has learned the market early is filled, and earns actions, for the rest of the day."""
EARLY_S = 3_600.0
KEPT = 100
"""Not planned with: for the first order of a side and for orders that must retreat."""
LEAST_PER_S = 10.0 / 3_600.0
"""Slower would not be quoting; the last 300 actions last a day and more at this pace."""
SPENT_OF_EARNED = 0.8
BURST = 60.0
"""Actions that may go at once: a jump of the price moves every order."""
LEAST_BURST = 4.0
LEAST_FULL = 0.05
DEEP = 4.0
"""√((8/0.2)/(2/0.8)): eight deeper orders on a fifth of the actions."""
LADDER_PER_KAPPA = 0.5
"""All levels while the band is at most this share of 1/κ: a ladder finer than its bands is none."""
FEWER, MORE = 0.5, 1.0
"""How far the wanted number of levels may be below and above the present one."""


class Pace(Struct, frozen=True, gc=False):
    """What the budget allows now: actions/s, the hysteresis of level 1 and levels a side."""

    per_s: float
    band_bps: float
    levels: int


def affordable_per_s(budget: ActionBudget, earned_per_s: float, horizon_s: float) -> float:
    """Of this engine's share: what is left at left/horizon, so that it never ends; what is above
    `EARLY` at once; most of what its fills earn, an action a dollar. Spent: what the venue grants.
    """
    left = budget.cap - budget.used
    if left <= 0:
        return GRANTED_PER_S / budget.sharers
    bank = max(left - KEPT, 0) / horizon_s + max(left - EARLY, 0) / EARLY_S
    return max(bank, LEAST_PER_S) / budget.sharers + SPENT_OF_EARNED * earned_per_s


def band_bps(sigma: float, per_s: float, levels: int) -> float:
    """The hysteresis T of level 1 at which both sides need `per_s` actions.

    A random walk leaves ±T after T²/σ² seconds on average, so an order kept within T needs σ²/T²
    actions/s, and one of the deeper levels, kept within `DEEP`·T, a sixteenth of that.
    """
    return sigma * math.sqrt(2.0 * (1.0 + (levels - 1) / (DEEP * DEEP)) / per_s)


class Ration:
    """A bucket that fills at the affordable pace; the emptier it is, the wider the bands.

    That corrects what `band_bps` does not know of: levels refilled, estimates that move, prices
    that do not walk at random. Should it be empty all the same, orders come no nearer to the
    market; they still retreat, each side still gets its first order, and cancels always go. What
    only retreats soon has nothing left to do, so that spending ends by itself.
    """

    def __init__(self, settings: StrategySettings) -> None:
        self._horizon_s = settings.action_budget_horizon_h * 3_600.0
        self._most = settings.levels
        self._levels: int | None = None
        self._credit = BURST
        self._burst = BURST
        self._ts: Ns | None = None
        self._granted_ts: Ns | None = None

    def pace(
        self, budget: ActionBudget | None, earned_per_s: float, of: tuple[float, float], ts: Ns
    ) -> Pace:
        """Fill the bucket up to `ts`. `of`: σ and κ of the market."""
        if budget is None:
            return Pace(math.inf, 0.0, self._most)
        sigma, kappa = of
        bought = affordable_per_s(budget, earned_per_s, self._horizon_s)
        per_s = min(bought, budget.per_s / budget.sharers)
        left = max(budget.cap - budget.used, 0)
        self._burst = min(BURST, max(0.1 * left / budget.sharers, LEAST_BURST))
        age_s = 0.0 if self._ts is None else seconds(ts - self._ts)
        self._ts = ts
        at_once = budget.at_once / budget.sharers
        self._credit = min(self._credit + per_s * age_s, self._burst, at_once)
        band = band_bps(sigma, bought, self._most)
        self._levels = self._affordable(self._most * LADDER_PER_KAPPA / max(kappa * band, 1e-12))
        full = max(self._credit / self._burst, LEAST_FULL) if left else 1.0
        spent_per_s = per_s * (bought / per_s) ** full * full
        return Pace(per_s, band_bps(sigma, spent_per_s, self._levels), self._levels)

    def _affordable(self, wanted: float) -> int:
        """Whole levels, without dancing."""
        now = self._levels
        if now is not None and now - FEWER <= wanted <= now + MORE:
            return now
        return min(max(math.floor(wanted + FEWER), 1), self._most)

    def of(
        self, actions: Sequence[Action], orders: Orders, budget: ActionBudget | None, ts: Ns
    ) -> list[Action]:
        """Those that may go now."""
        if budget is None:
            return list(actions)
        if budget.used >= budget.cap:
            return self._granted(actions, budget, ts)
        return [action for action in actions if self._take(action, orders)]

    def _take(self, action: Action, orders: Orders) -> bool:
        if self._credit < 1.0 and not _urgent(action, orders):
            return False
        self._credit = max(self._credit - 1.0, -self._burst)
        return True

    def _granted(self, actions: Sequence[Action], budget: ActionBudget, ts: Ns) -> list[Action]:
        """Cancels, which have a budget of their own, and one batch in so long for each instrument
        that shares the grant. Orders that are missing come before changes: a side without an order
        earns nothing, and earning is the way out."""
        taken: list[Action] = [one for one in actions if not isinstance(one, Place | Modify)]
        if self._granted_ts is not None and ts - self._granted_ts < GRANT_NS * budget.sharers:
            return taken
        places = [one for one in actions if isinstance(one, Place)]
        batch: Sequence[Action] = places or [one for one in actions if isinstance(one, Modify)]
        if batch:
            self._granted_ts = ts
        return [*taken, *batch]


def _urgent(action: Action, orders: Orders) -> bool:
    """Cancels, the first order of a side, and what comes no nearer to the market and grows no
    larger."""
    if isinstance(action, Place):
        return action.level == 1
    if not isinstance(action, Modify):
        return True
    order = orders.get(action.cloid)
    if order is None:
        return False
    nearer, larger = action.side * (action.price - order.price), action.size - order.remaining
    return nearer <= 0 and larger <= 0
