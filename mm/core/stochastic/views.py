"""What the operator sees of the estimators: values with errors, progress, ETA and cost."""

import math

from msgspec import Struct

from mm.core.stochastic.calibration_controller import (
    COMPLETE_AT,
    CONFIDENT,
    MEASURED_ARRIVALS,
)
from mm.core.stochastic.components import StochasticComponents
from mm.core.stochastic.volatility import Z90
from mm.model.estimate import Estimate
from mm.model.units import SIDES, Ns
from mm.model.view import AdverseView, CalibrationView

TOO_THIN_PER_DAY = 20.0
TOO_THIN = "market too thin: too few arrivals within reach of our quotes"
INFORMATION_PER_ARRIVAL = 1.0 / 6.0
"""Typical gain of 1/Var(ln κ) per arrival on a five-level ladder, before it can be measured."""


class MarketEstimates(Struct, frozen=True):
    """The fields of `MarketView` that come from the estimators."""

    sigma: Estimate | None
    jump_ratio: float | None
    kappa: Estimate | None
    arrival: Estimate | None
    kappa_confidence: float
    adverse: tuple[AdverseView, ...]


def market_estimates(components: StochasticComponents, ts: Ns) -> MarketEstimates:
    kappa, arrival = components.intensity.estimates(ts) or (None, None)
    return MarketEstimates(
        components.sigma(ts),
        components.volatility.jump_ratio,
        kappa,
        arrival,
        components.intensity.confidence,
        adverse_table(components, ts),
    )


def adverse_table(components: StochasticComponents, ts: Ns) -> tuple[AdverseView, ...]:
    """Per side and horizon: posterior mean, standard error, decayed arrivals, source and age."""
    rows = []
    noise = components.noise(ts)
    for side in SIDES:
        for horizon_s in components.adverse.horizons_s:
            known = components.adverse.estimate(side, horizon_s, noise, ts)
            se = 0.5 * (known.high - known.low) / Z90
            row = (known.value, se, known.n, known.source, known.age_s)
            rows.append(AdverseView(side.label, horizon_s, *row))
    return tuple(rows)


def calibration_view(components: StochasticComponents) -> CalibrationView:
    """As of the last quote cycle (docs/model.md, Calibration)."""
    controller = components.calibration
    settings = controller.settings
    effect = controller.effect
    multiplier = effect.multiplier if effect.depths_bps else controller.gamma_multiplier()
    eta_s, note = outlook(components)
    return CalibrationView(
        policy=settings.policy if settings.enable_calibration_fill_rate else "off",
        lever=settings.lever,
        multiplier=multiplier,
        progress=controller.calibration_progress(),
        complete=controller.is_calibrated(),
        hungry=controller.hungry and multiplier < 1.0,
        fill_count=controller.fill_count(),
        measured_arrivals=components.adverse.measured,
        rate_per_h=controller.fill_rate_per_h,
        target_per_h=settings.target_fill_rate_per_hour,
        effect_bps=effect.effect_bps,
        cost_usd=controller.cost_usd,
        eta_s=eta_s,
        note=note,
        window_s=settings.window_s,
    )


def outlook(components: StochasticComponents) -> tuple[float | None, str]:
    """Seconds until calibrated at the present depths, or None and why there is no ETA."""
    controller = components.calibration
    if controller.is_calibrated():
        return 0.0, ""
    effect, known = controller.effect, components.intensity.posterior
    spent = "edge budget spent" if controller.budget_spent else ""
    if known is None or not effect.depths_bps:
        return None, spent or "not quoting yet"
    settings = controller.settings
    least = 1.0
    if controller.hungry:
        if settings.policy == "target_rate":
            least = settings.target_rate_floor
        elif settings.lever == "width":  # γ brings quotes no nearer to speak of
            least = settings.min_fill_hungry_gamma
    tighter = (effect.multiplier - min(least, effect.multiplier)) * effect.half_spread_bps
    at_floor = math.fsum(known.expected_rate(d - tighter) for d in effect.depths_bps)
    if at_floor * 86_400.0 < TOO_THIN_PER_DAY:
        return None, spent or TOO_THIN
    rate = math.fsum(known.expected_rate(d) for d in effect.depths_bps)
    eta_s = seconds_missing(components, known.sd_log, max(rate, 1e-12))
    return eta_s, spent or ("" if eta_s is not None else "evidence fades faster than it comes")


def seconds_missing(components: StochasticComponents, sd_log: float, rate: float) -> float | None:
    """Until 20 arrivals are measured and κ is known well enough for progress to be `COMPLETE_AT`,
    from what each arrival has told so far about κ. None where that is never.

    Own arrivals n fade by dn/dt = rate - n/memory, so more than rate·memory are never held.
    """
    counted = max(MEASURED_ARRIVALS - components.adverse.measured, 0) / rate
    own, memory_s = components.intensity.own_arrivals, components.intensity.memory_s
    gained = max(sd_log**-2 - 1.0, 0.0)
    each = gained / own if own >= 3.0 and gained > 0.0 else INFORMATION_PER_ARRIVAL
    confident = (2.0 * COMPLETE_AT - 1.0) * CONFIDENT
    missing = ((1.0 - confident) ** -2 - sd_log**-2) / each
    if missing <= 0.0:
        return counted
    room = rate * memory_s - own
    if missing >= room:
        return None
    return max(counted, -memory_s * math.log1p(-missing / room))
