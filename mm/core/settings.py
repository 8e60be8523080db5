"""The core's own view of the configuration: frozen, validated at the border (app/config.py)."""

from msgspec import Struct


class StrategySettings(Struct, frozen=True, kw_only=True):
    """How to quote. One lot is what the ladder of one side totals."""

    gamma: float = 0.05
    lot_usd: float = 1000.0
    levels: int = 5
    level_spacing_per_kappa: float = 0.25
    entropy_ratio: float = 0.8
    min_edge_bps: float = 0.1
    max_premia_bps: float = 20.0
    quote_interval_s: float = 1.0
    min_requote_ms: int = 250
    requote_bps: float = 1.0
    hysteresis_sigmas: float = 2.0
    hysteresis_min_bps: float = 0.2
    action_budget_horizon_h: float = 24.0
    """What is left of the venue's action budget is spent at left/horizon."""
    exact_glft: bool = True
    microprice: bool = False
    exploration: str = "none"


class IntensitySettings(Struct, frozen=True, kw_only=True):
    """As in docs/model.md, Intensity."""

    kappa_prior: float | None = None
    """None: 1/max(2·median touch half-spread, 1 tick)."""
    kappa_min: float = 0.005
    kappa_max: float = 5.0
    half_life_h: float = 24.0
    public_weight: float = 0.1
    arrival_prior_per_s: float = 1.0
    """Mean of the Gamma(a0=0.5) prior of A, its upper scale: ln A centres at 0.28 times this, much
    smaller A stay likely, ten times it is all but ruled out. It weighs as a0/this seconds at depth
    0 without an arrival: too low for the market, it bends κ and A down (0.1 where A is 3/s: by 15
    and 29 % after 100 arrivals); too high, it is gone after seconds of silence."""
    resample_s: float = 600.0
    seed: int = 1


class VolatilitySettings(Struct, frozen=True, kw_only=True):
    """As in docs/model.md, Volatility."""

    sigma_prior: float = 1.0
    min_observations: int = 12
    max_warmup_s: float = 15.0
    half_life_s: float = 600.0
    sample_s: float = 1.0


class AdverseSettings(Struct, frozen=True, kw_only=True):
    """As in docs/model.md, Adverse selection."""

    horizons_s: tuple[float, ...] = (1.0, 5.0, 30.0)
    primary_s: float = 5.0
    prior_sd_bps: float = 2.0
    half_life_h: float = 6.0
    adverse_max_bps: float = 20.0


class CalibrationSettings(Struct, frozen=True, kw_only=True):
    """As in docs/model.md, Calibration."""

    enable_calibration_fill_rate: bool = True
    target_fill_rate_per_hour: float = 10.0
    min_fill_hungry_gamma: float = 0.3
    policy: str = "fill_hungry"
    lever: str = "width"
    target_rate_floor: float = 0.05
    window_s: float = 3600.0
    edge_budget_usd: float | None = None
    loss_budget_usd: float = 0.0


class StochasticSettings(Struct, frozen=True, kw_only=True):
    volatility: VolatilitySettings = VolatilitySettings()
    intensity: IntensitySettings = IntensitySettings()
    adverse: AdverseSettings = AdverseSettings()
    calibration: CalibrationSettings = CalibrationSettings()


class RiskSettings(Struct, frozen=True, kw_only=True):
    """Withdraw (self-clearing) and halt (latched) limits; fractions are of equity (design 8)."""

    max_position_usd: float = 10_000.0
    max_order_usd: float = 5_000.0
    max_leverage: float = 5.0
    max_daily_loss_fraction: float = 0.05
    max_drawdown_fraction: float = 0.10
    max_book_age_s: float = 5.0
    max_velocity_bps_per_s: float = 100.0
    max_oracle_distance_bps: float = 200.0
    max_actions_per_min: int = 1200
    reject_rate_soft: float = 0.3
    reject_rate_hard: float = 0.8
    max_mismatch_s: float = 45.0
    """A position that differs from the venue's in two audits, this long: halt."""


class PortfolioSettings(Struct, frozen=True, kw_only=True):
    """What all instruments together may hold at worst, USD; None: no limit but margin."""

    max_gross_usd: float | None = None
    max_net_usd: float | None = None


class EngineSettings(Struct, frozen=True, kw_only=True):
    label: str = "EMBEDDED"
    strategy: StrategySettings = StrategySettings()
    stochastic: StochasticSettings = StochasticSettings()
    risk: RiskSettings = RiskSettings()
    cloid_prefix: str = "6d6d"
    """First four hex digits of each client id: how we know our own orders."""
