"""Configuration sections that the core sees: strategy, stochastic, risk.

Fields and defaults are those of the core's frozen Structs (mm/core/settings.py); here they gain
bounds and a line of doc.
"""

from typing import Literal

from pydantic import Field

from mm.app.config_sections import OptionalFloat, Section
from mm.core.settings import (
    AdverseSettings,
    CalibrationSettings,
    IntensitySettings,
    RiskSettings,
    StrategySettings,
    VolatilitySettings,
)

S = StrategySettings()
K = IntensitySettings()
V = VolatilitySettings()
A = AdverseSettings()
C = CalibrationSettings()
R = RiskSettings()


class StrategyConfig(Section):
    """How to quote. One lot is what the ladder of one side totals."""

    gamma: float = Field(default=S.gamma, gt=0, le=5, description="Risk aversion, 1/(bps·lot).")
    lot_usd: float = Field(
        default=S.lot_usd, gt=0, le=1e8, description="One lot: a side's ladder, USD."
    )
    levels: int = Field(default=S.levels, ge=1, le=20, description="Price levels per side.")
    level_spacing_per_kappa: float = Field(
        default=S.level_spacing_per_kappa,
        gt=0,
        le=5,
        description="Distance between levels in units of 1/κ (at least a tick).",
    )
    entropy_ratio: float = Field(
        default=S.entropy_ratio,
        gt=0,
        lt=1,
        description="Entropy of the sizes over levels as a share of its maximum ln n.",
    )
    min_edge_bps: float = Field(
        default=S.min_edge_bps,
        ge=0,
        le=1000,
        description="Least edge beyond fee and adverse move, bps.",
    )
    max_premia_bps: float = Field(
        default=S.max_premia_bps, ge=0, le=1000, description="Bound of the sum of all premia, bps."
    )
    quote_interval_s: float = Field(
        default=S.quote_interval_s, ge=0.05, le=60, description="The quote timer, s."
    )
    min_requote_ms: int = Field(
        default=S.min_requote_ms,
        ge=0,
        le=60_000,
        description="Least time between quote cycles, ms.",
    )
    requote_bps: float = Field(
        default=S.requote_bps,
        ge=0,
        le=1000,
        description="Move of the fair price that requotes, bps.",
    )
    hysteresis_sigmas: float = Field(
        default=S.hysteresis_sigmas,
        ge=0,
        le=10,
        description="An order stays while its price is off by less than this many σ√dt.",
    )
    hysteresis_min_bps: float = Field(
        default=S.hysteresis_min_bps,
        ge=0,
        le=100,
        description="Lower bound of that tolerance, bps.",
    )
    exact_glft: bool = Field(
        default=S.exact_glft, description="Exact asymptotic quotes; false: the closed form."
    )
    microprice: bool = Field(
        default=S.microprice, description="Centre on the microprice instead of the mid."
    )
    exploration: Literal["none", "thompson"] = Field(
        default="none", description="thompson: quote with draws of κ and A from their posterior."
    )


class VolatilityConfig(Section):
    """Diffusive volatility of the fair price."""

    sigma_prior: float = Field(default=V.sigma_prior, gt=0, le=1000, description="Prior σ, bps/√s.")
    min_observations: int = Field(
        default=V.min_observations,
        ge=2,
        le=100_000,
        description="Returns before the estimate is used.",
    )
    max_warmup_s: float = Field(
        default=V.max_warmup_s, ge=0, le=86_400, description="Then quote with the wider of both, s."
    )
    half_life_s: float = Field(
        default=V.half_life_s, ge=1, le=1e6, description="Half-life of what was seen, s."
    )
    sample_s: float = Field(
        default=V.sample_s, ge=0.05, le=60, description="Least sample spacing, s."
    )


class IntensityConfig(Section):
    """Arrivals at our quotes: A and κ."""

    kappa_prior: OptionalFloat = Field(
        default=K.kappa_prior,
        gt=0,
        description='Centre of the prior, 1/bps; "none": from the touch.',
    )
    kappa_min: float = Field(
        default=K.kappa_min, gt=0, le=100, description="Lower bound of κ, 1/bps."
    )
    kappa_max: float = Field(
        default=K.kappa_max, gt=0, le=1000, description="Upper bound of κ, 1/bps."
    )
    half_life_h: float = Field(
        default=K.half_life_h, gt=0, le=10_000, description="Half-life of evidence, hours."
    )
    public_weight: float = Field(
        default=K.public_weight, ge=0, le=1, description="Greatest weight of a public trade."
    )
    arrival_prior_per_s: float = Field(
        default=K.arrival_prior_per_s, gt=0, le=1000, description="Mean of the prior of A, 1/s."
    )
    resample_s: float = Field(
        default=K.resample_s, ge=1, le=1e6, description="Longest life of a Thompson draw, s."
    )
    seed: int = Field(default=K.seed, ge=0, le=2**63 - 1, description="Seed of the Thompson draws.")


class AdverseConfig(Section):
    """Signed markouts of our fills."""

    horizons_s: tuple[float, ...] = Field(
        default=A.horizons_s,
        min_length=1,
        max_length=8,
        description="Markout horizons, ascending, s.",
    )
    primary_s: float = Field(
        default=A.primary_s,
        gt=0,
        le=3600,
        description="The horizon that quotes use; one of them, s.",
    )
    prior_sd_bps: float = Field(
        default=A.prior_sd_bps,
        gt=0,
        le=1000,
        description="Prior standard deviation of the mean, bps.",
    )
    half_life_h: float = Field(
        default=A.half_life_h, gt=0, le=10_000, description="Half-life of evidence, hours."
    )
    adverse_max_bps: float = Field(
        default=A.adverse_max_bps, gt=0, le=1000, description="Cap of the adverse cost, bps."
    )


class StochasticConfig(Section):
    """Calibration: quotes are tighter until the fill-based estimators know the market."""

    enable_calibration_fill_rate: bool = Field(
        default=C.enable_calibration_fill_rate,
        description="Tighten quotes until the fill-based estimators are calibrated.",
    )
    target_fill_rate_per_hour: float = Field(
        default=C.target_fill_rate_per_hour,
        gt=0,
        le=100_000,
        description="Arrivals wanted meanwhile (aggressive orders that fill us), 1/h.",
    )
    min_fill_hungry_gamma: float = Field(
        default=C.min_fill_hungry_gamma,
        gt=0,
        le=1,
        description="Lowest multiplier: 0.3 quotes 70 % tighter than the optimum.",
    )
    policy: Literal["fill_hungry", "target_rate", "off"] = Field(
        default="fill_hungry",
        description="fill_hungry: tighter, the rarer fills; target_rate: as the target takes; off.",
    )
    lever: Literal["width", "gamma"] = Field(
        default="width",
        description="What the multiplier scales: the half-spread, or γ (to compare).",
    )
    target_rate_floor: float = Field(
        default=C.target_rate_floor, gt=0, le=1, description="Lowest multiplier under target_rate."
    )
    window_s: float = Field(
        default=C.window_s, ge=60, le=86_400, description="Window of the actual arrivals, s."
    )
    edge_budget_usd: OptionalFloat = Field(
        default=C.edge_budget_usd, ge=0, description='Most edge given up, USD; "none": no bound.'
    )
    loss_budget_usd: float = Field(
        default=C.loss_budget_usd, ge=0, description="Expected loss allowed for information, USD."
    )
    volatility: VolatilityConfig = Field(default_factory=VolatilityConfig, description="σ.")
    intensity: IntensityConfig = Field(default_factory=IntensityConfig, description="A and κ.")
    adverse: AdverseConfig = Field(default_factory=AdverseConfig, description="Markouts.")


class RiskConfig(Section):
    """Limits. A withdrawal clears by itself; a halt stays, over restarts too, until `mm resume`.

    Fractions are of equity.
    """

    max_position_usd: float = Field(
        default=R.max_position_usd, gt=0, le=1e9, description="Worst-case position either way, USD."
    )
    max_order_usd: float = Field(
        default=R.max_order_usd, gt=0, le=1e9, description="Largest single order, USD."
    )
    max_leverage: float = Field(
        default=R.max_leverage, gt=0, le=100, description="Worst-case position over equity."
    )
    max_daily_loss_fraction: float = Field(
        default=R.max_daily_loss_fraction, gt=0, lt=1, description="Halt: loss since 00:00 UTC."
    )
    max_drawdown_fraction: float = Field(
        default=R.max_drawdown_fraction, gt=0, lt=1, description="Halt: loss from peak equity."
    )
    max_book_age_s: float = Field(
        default=R.max_book_age_s, ge=0.1, le=600, description="Withdraw: book older than this, s."
    )
    max_velocity_bps_per_s: float = Field(
        default=R.max_velocity_bps_per_s,
        gt=0,
        le=10_000,
        description="Withdraw: price speed, bps/s.",
    )
    max_oracle_distance_bps: float = Field(
        default=R.max_oracle_distance_bps,
        gt=0,
        le=5000,
        description="Withdraw: off the oracle, bps.",
    )
    max_actions_per_min: int = Field(
        default=R.max_actions_per_min,
        ge=1,
        le=100_000,
        description="Withdraw: more actions, 1/min.",
    )
    action_budget_horizon_h: float = Field(
        default=S.action_budget_horizon_h,
        gt=0,
        le=720,
        description="The venue's action budget is spent at left/this, hours.",
    )
    reject_rate_soft: float = Field(
        default=R.reject_rate_soft, gt=0, lt=1, description="Withdraw: share of requests refused."
    )
    reject_rate_hard: float = Field(
        default=R.reject_rate_hard, gt=0, lt=1, description="Halt: share of requests refused."
    )
    max_mismatch_s: float = Field(
        default=R.max_mismatch_s, ge=1, le=3600, description="Halt: position unlike the venue's, s."
    )
