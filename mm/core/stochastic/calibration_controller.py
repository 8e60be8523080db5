"""Quotes tighter until the fill-based estimators are calibrated (docs/model.md, Calibration)."""

import math

from msgspec import Struct

from mm.core.settings import CalibrationSettings
from mm.core.stochastic.timeline import forget, remember
from mm.model.actions import Note, Severity
from mm.model.events import Fill
from mm.model.units import BPS, NS_PER_S, Ns, nanoseconds

MEASURED_ARRIVALS = 20
CONFIDENT = 0.75
COMPLETE_AT = 0.95
REOPEN_BELOW = 0.80
NOTE_EVERY_NS = 60 * NS_PER_S
REMEMBERED = 1_000
"""Fills, and orders that had one, that may come again: each checkpoint holds them."""
POLICIES = ("fill_hungry", "target_rate", "off")
LEVERS = ("width", "gamma")


class CalibrationState(Struct, frozen=True):
    """What the controller knows, for a checkpoint."""

    complete: bool
    fill_count: int
    cost_usd: float
    loss_usd: float
    orders: dict[str, Ns]
    seen: dict[str, Ns]
    arrivals: dict[str, Ns] = {}


class QuoteEffect(Struct, frozen=True, gc=False):
    """What the multiplier does to the quotes of one cycle."""

    depths_bps: tuple[float, ...] = ()
    """Level-1 depths of the sides that quote."""
    multiplier: float = 1.0
    half_spread_bps: float = 0.0
    """h, the full GLFT width."""
    effect_bps: float = 0.0
    """How much tighter each side quotes, (1-m)·h: the edge given up per fill."""
    loss_bps: float = 0.0
    """How far below fee + adverse the depths may lie: only inside the loss budget."""


class CalibrationController:
    """Fills in the window set the hunger, the estimators' own certainty ends it.

    m = f + (1-f)·progress, f = max(min_fill_hungry_gamma, min(1, actual_rate/target)). Complete at
    progress 0.95, open again below 0.80. Time comes from events.

    What is counted is what the estimators learn from: an aggressive order that fills several levels
    of the ladder counts once, and so does an order of ours that several of them fill.
    """

    __slots__ = (
        "_arrivals",
        "_complete",
        "_cost_usd",
        "_effect",
        "_fill_count",
        "_loss_usd",
        "_noted_at",
        "_notes",
        "_orders",
        "_progress",
        "_said_spent",
        "_seen",
        "_settings",
        "_ts",
        "_window",
    )

    def __init__(self, settings: CalibrationSettings) -> None:
        if settings.policy not in POLICIES or settings.lever not in LEVERS:
            raise ValueError(f"calibration: policy {settings.policy!r}, lever {settings.lever!r}")
        self._settings = settings
        self._window = nanoseconds(settings.window_s)
        self._arrivals: dict[str, Ns] = {}  # side and venue time -> when, oldest first
        self._orders: dict[str, Ns] = {}  # order -> its last fill, oldest first
        self._seen: dict[str, Ns] = {}
        self._ts: Ns = 0
        self._fill_count = 0
        self._progress = 0.0
        self._complete = not settings.enable_calibration_fill_rate
        self._effect = QuoteEffect()
        self._cost_usd = 0.0
        self._loss_usd = 0.0
        self._noted_at: Ns | None = None
        self._said_spent = False
        self._notes: list[Note] = []

    # -- events -----------------------------------------------------------------------------------

    def record_fill(self, fill: Fill) -> None:
        """A fill of one of our quotes; a redelivery changes nothing."""
        key = f"{fill.trade_id}:{fill.venue_ts}"
        if not fill.quote or key in self._seen:
            return
        at = min(fill.ts, fill.venue_ts)
        remember(self._seen, key, at)
        order, arrival = fill.cloid or str(fill.oid), f"{fill.side.label}:{fill.venue_ts}"
        if order not in self._orders and arrival not in self._arrivals:
            self._fill_count += 1
            remember(self._arrivals, arrival, at)
        remember(self._orders, order, max(at, self._orders.get(order, at)))
        notional = float(fill.price * fill.size)
        if not self.is_calibrated():
            self._cost_usd += max(self._effect.effect_bps, 0.0) * notional / BPS
            self._loss_usd += self._effect.loss_bps * notional / BPS

    def update_calibration_status(
        self, ts: Ns, fills_measured: int, kappa_confidence: float
    ) -> None:
        """Before each quote cycle. `fills_measured`: arrivals whose primary markout is complete."""
        self._ts = max(ts, self._ts)
        horizon = self._ts - self._window
        forget(self._arrivals, horizon + 1)
        forget(self._orders, horizon + 1, REMEMBERED)
        forget(self._seen, horizon + 1, REMEMBERED)
        if not self._settings.enable_calibration_fill_rate:
            return
        measured = min(1.0, fills_measured / MEASURED_ARRIVALS)
        confident = min(1.0, max(kappa_confidence, 0.0) / CONFIDENT)
        self._progress = 0.5 * measured + 0.5 * confident
        if not self._complete and self._progress >= COMPLETE_AT:
            self._complete = True
            self._note("Calibration complete")
        elif self._complete and self._progress < REOPEN_BELOW:
            self._complete = False
            self._note("Calibration reopened", Severity.WARNING)

    def record_quote(self, effect: QuoteEffect) -> None:
        """After each quote cycle: what the multiplier did. Notes the hungry mode."""
        self._effect = effect
        if self.budget_spent and not self._said_spent:
            self._said_spent = True
            self._note("Calibration edge budget spent", Severity.WARNING)
        due = self._noted_at is None or self._ts - self._noted_at >= NOTE_EVERY_NS
        if self.hungry and effect.multiplier < 1.0 and due:
            self._noted_at = self._ts
            self._note("Fill-hungry mode active")

    def take_notes(self) -> tuple[Note, ...]:
        """What an operator should read since the last call."""
        notes = tuple(self._notes)
        self._notes.clear()
        return notes

    def _note(self, text: str, severity: Severity = Severity.INFO) -> None:
        data: dict[str, float | int | str | bool | None] = {
            "arrivals": len(self._arrivals),
            "arrivals_per_h": self.fill_rate_per_h,
            "target_per_h": self._settings.target_fill_rate_per_hour,
            "progress": self._progress,
            "m": self._effect.multiplier if not self.is_calibrated() else 1.0,
            "effect_bps": self._effect.effect_bps if not self.is_calibrated() else 0.0,
            "cost_usd": self._cost_usd,
        }
        self._notes.append(Note(self._ts, severity, "calibration", text, data))

    # -- what it is there for ---------------------------------------------------------------------

    def gamma_multiplier(self) -> float:
        """m by the formula of fill_hungry; the upper bound of target_rate's."""
        if not self.hungry:
            return 1.0
        settings = self._settings
        actual = self.fill_rate_per_h / settings.target_fill_rate_per_hour
        floor = settings.min_fill_hungry_gamma
        fill_hungry = max(floor, min(1.0, actual))
        return fill_hungry + (1.0 - fill_hungry) * self._progress

    def calibration_progress(self) -> float:
        return self._progress if self._settings.enable_calibration_fill_rate else 1.0

    def is_calibrated(self) -> bool:
        return self._complete

    def fill_count(self) -> int:
        """Arrivals that filled us so far, in orders not counted before."""
        return self._fill_count

    # -- more -------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether the controller may move quotes at all now."""
        return not (self._complete or self._settings.policy == "off" or self.budget_spent)

    @property
    def fill_rate_per_h(self) -> float:
        """Arrivals in the window ÷ the window's hours."""
        return len(self._arrivals) * 3600.0 / self._settings.window_s

    @property
    def budget_spent(self) -> bool:
        budget = self._settings.edge_budget_usd
        return budget is not None and self._cost_usd >= budget

    @property
    def may_lose(self) -> bool:
        """Inside the loss budget depths may lie below fee + adverse."""
        return self.hungry and self._loss_usd < self._settings.loss_budget_usd

    @property
    def effect(self) -> QuoteEffect:
        return self._effect if not self.is_calibrated() else QuoteEffect()

    @property
    def cost_usd(self) -> float:
        """Edge given up so far: Σ(1-m)·h·notional."""
        return self._cost_usd

    @property
    def settings(self) -> CalibrationSettings:
        return self._settings

    # -- checkpoint -------------------------------------------------------------------------------

    def state(self) -> CalibrationState:
        return CalibrationState(
            self._complete,
            self._fill_count,
            self._cost_usd,
            self._loss_usd,
            dict(self._orders),
            dict(self._seen),
            dict(self._arrivals),
        )

    def load(self, state: CalibrationState) -> None:
        """Continue from a checkpoint; progress follows from the estimators' at the next update."""
        money = (state.cost_usd, state.loss_usd)
        if not all(math.isfinite(v) for v in money) or state.fill_count < 0:
            raise ValueError("checkpoint: calibration out of bounds")
        self._complete = state.complete or not self._settings.enable_calibration_fill_rate
        self._fill_count = state.fill_count
        self._cost_usd, self._loss_usd = money
        self._orders, self._seen = dict(state.orders), dict(state.seen)
        self._arrivals = dict(state.arrivals)
