"""What an operator sees of one engine: served at /api/state, exported as metrics."""

from decimal import Decimal

from msgspec import Struct

from mm.model.estimate import Estimate, Source
from mm.model.quote import Term
from mm.model.units import Ns


class AdverseView(Struct, frozen=True, gc=False):
    side: str
    horizon_s: float
    mean_bps: float
    se_bps: float
    n: float
    source: Source = Source.PRIOR
    age_s: float | None = None
    """Seconds since the last markout of the side at the primary horizon; None before the first."""


class MarketView(Struct, frozen=True, gc=False):
    """Touch without our own orders; None before the first book.

    `fair_source`: mid, microprice, or last while a side is empty without us. `funding_bps_per_h`:
    positive, longs pay.
    """

    fair: float | None
    bid: float | None
    ask: float | None
    oracle: float | None
    sigma: Estimate | None
    jump_ratio: float | None
    kappa: Estimate | None
    arrival: Estimate | None
    kappa_confidence: float
    adverse: tuple[AdverseView, ...]
    book_age_s: float | None
    fair_source: str
    maker_fee_bps: Estimate
    funding_bps_per_h: Estimate | None


class CalibrationView(Struct, frozen=True, gc=False):
    """As docs/model.md, Calibration. `effect_bps`: how much tighter each side quotes now, (1-m)·h;
    `hungry`: whether it does."""

    policy: str
    lever: str
    multiplier: float
    progress: float
    complete: bool
    hungry: bool
    fill_count: int
    """Arrivals that filled us: one aggressive order is one, however many fills it makes."""
    measured_arrivals: int
    rate_per_h: float
    target_per_h: float
    effect_bps: float
    cost_usd: float
    eta_s: float | None
    note: str
    """"" or why there is no ETA, that the budget is spent, ..."""
    window_s: float = 3600.0
    """`rate_per_h` counts the arrivals of this window."""


class SideView(Struct, frozen=True, gc=False):
    """One side's quoting. `blocked` "" while it quotes, else the reason that it does not."""

    side: str
    blocked: str
    depth_bps: float | None
    terms: tuple[Term, ...]
    binding: str
    entropy_nats: float
    blocked_s: dict[str, float]
    """Total seconds not quoting, by reason, this run."""
    quoted_s: float


class OrderView(Struct, frozen=True, gc=False):
    cloid: str
    side: str
    level: int
    price: Decimal
    remaining: Decimal
    state: str
    age_s: float
    depth_bps: float | None


class PnlView(Struct, frozen=True, gc=False):
    """USD since the ledger began. total = spread - adverse + inventory - fees + funding, exactly.

    `adverse` is the signed markout of our quote fills at the primary horizon (positive: cost).
    """

    total: Decimal
    spread: Decimal
    adverse: Decimal
    inventory: Decimal
    fees: Decimal
    funding: Decimal
    equity: Decimal
    peak_equity: Decimal
    day_total: Decimal
    """The account's profit since midnight UTC, or since the first run of the day began. Unlike the
    baseline of the daily loss limit, a resume leaves it alone."""

    @property
    def contributions(self) -> dict[str, Decimal]:
        """Signed as they count towards the total, which they sum to: costs are negative."""
        return {
            "spread": self.spread,
            "adverse": -self.adverse,
            "inventory": self.inventory,
            "fees": -self.fees,
            "funding": self.funding,
        }


class PositionView(Struct, frozen=True, gc=False):
    size: Decimal
    lots: float
    lot_size: Decimal
    notional_usd: float
    max_notional_usd: float
    worst_long: Decimal
    worst_short: Decimal
    others_margin_usd: float = 0.0
    """Of the account's margin, what positions and orders in coins that are not quoted hold."""


class PaceView(Struct, frozen=True, gc=False):
    """What the venue's action budget allows this instrument now."""

    per_s: float
    band_bps: float
    """How far level 1 may lie from where it is wanted; never less than the setting allows."""
    levels: int


class SafetyView(Struct, frozen=True, gc=False):
    """`state`: starting, quoting, withdrawn, paused, halted."""

    state: str
    reasons: tuple[str, ...]
    halt_reason: str
    link_up: bool
    ready: bool
    action_budget_left: int | None
    pace: PaceView | None = None
    """None while the budget is unknown."""
    flatten: str = ""
    """After `halt --flatten`: how far the exit has come, or what it waits for."""


class View(Struct, frozen=True, gc=False):
    ts: Ns
    instrument: str
    label: str
    """EMBEDDED, RECORDING, PAPER, TESTNET, MAINNET: shown wherever money is."""
    market: MarketView
    calibration: CalibrationView
    bid: SideView
    ask: SideView
    orders: tuple[OrderView, ...]
    position: PositionView
    pnl: PnlView
    safety: SafetyView


class HealthView(Struct, frozen=True, gc=False):
    """The shell's own pulse: what the core cannot know."""

    uptime_s: float
    feed_age_s: dict[str, float]
    """Seconds since the last frame, by stream: book, bbo, trades, user, reference."""
    reconnects: int
    loop_lag_s: float
    journal_dropped: int
    orphans: int = 0
    """Own orders found resting that nobody knew of: lost answers, former runs."""
    limits_left: dict[str, int] = {}
    """What the venue's limits for an IP address leave us now: weight and messages of the minute,
    posts in flight."""
