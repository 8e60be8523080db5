"""The one place where estimates become parameters: sources in, MarketParams or a refusal out."""

import math

from msgspec import Struct
from msgspec.structs import replace

from mm.core.settings import CalibrationSettings, StrategySettings
from mm.core.stochastic.calibration_controller import QuoteEffect
from mm.core.stochastic.components import StochasticComponents
from mm.core.strategy import glft
from mm.model.market_params import MarketParams, NotReady, Premium
from mm.model.quote import Quote
from mm.model.units import NS_PER_S, Ns, Side

SIGMA_BOUNDS = (1e-4, 1e3)
KAPPA_BOUNDS = (1e-4, 1e2)
ARRIVAL_BOUNDS = (1e-7, 1e4)
DITHER_NS = 600 * NS_PER_S


class ParameterSources(Struct, frozen=True, kw_only=True):
    """What a cycle's parameters are made of. None where it is not known yet."""

    ts: Ns
    fair: float | None
    inventory_lots: float
    max_inventory_lots: int
    maker_fee_bps: float | None
    components: StochasticComponents
    strategy: StrategySettings
    premia: tuple[Premium, ...] = ()


class ParameterAggregator:
    """Pure: the same sources give the same parameters."""

    @staticmethod
    def build(sources: ParameterSources) -> MarketParams | NotReady:
        """Point estimates, m of the calibration, bounded premia; NotReady names what is missing."""
        ts, components = sources.ts, sources.components
        if sources.fair is None:
            return NotReady("no fair price")
        if sources.maker_fee_bps is None:
            return NotReady("maker fee unknown")
        sigma = components.sigma(ts)
        if sigma is None:
            return NotReady("volatility warming up")
        point = components.intensity_point(ts)
        if point is None:
            return NotReady("no touch seen to centre the prior of kappa")
        numbers = {
            "fair": sources.fair,
            "sigma": sigma.value,
            "kappa": point[0],
            "arrival": point[1],
            "maker_fee_bps": sources.maker_fee_bps,
            "inventory_lots": sources.inventory_lots,
            "adverse_bid_bps": components.adverse.adverse_bps(Side.BID, sigma.value),
            "adverse_ask_bps": components.adverse.adverse_bps(Side.ASK, sigma.value),
        }
        bad = unusable(numbers, sources.premia)
        if bad:
            return NotReady(f"{bad} is no usable number")
        return calibrated(sources, uncalibrated(sources, numbers))

    @staticmethod
    def record(sources: ParameterSources, params: MarketParams, quote: Quote) -> None:
        """Tell the calibration what its multiplier did to the quotes of this cycle."""
        calibration = sources.components.calibration
        half_spread = quote.half_spread_bps
        multiplier = params.calibration_gamma_mult
        effect = (1.0 - multiplier) * half_spread
        if moves_gamma(calibration.settings):
            multiplier = calibration.gamma_multiplier()
            full = replace(params, gamma=glft.effective_gamma(sources.strategy.gamma))
            effect = full_half_spread(sources, full) - half_spread
        loss = max(0.0, -multiplier) * half_spread
        depths = tuple(s.depth_bps for s in (quote.bid, quote.ask) if s is not None)
        calibration.record_quote(QuoteEffect(depths, multiplier, half_spread, effect, loss))


def unusable(numbers: dict[str, float], premia: tuple[Premium, ...]) -> str:
    """The first input that formulas cannot take, or ""."""
    named = [*numbers.items(), *((f"premium {p.name}", p.bid_bps + p.ask_bps) for p in premia)]
    bad = (name for name, value in named if not math.isfinite(value))
    return next(bad, "fair" if numbers["fair"] <= 0.0 else "")


def moves_gamma(settings: CalibrationSettings) -> bool:
    """Whether the multiplier acts on γ, for comparison, and not on the width."""
    return settings.lever == "gamma" and settings.policy != "target_rate"


def full_half_spread(sources: ParameterSources, params: MarketParams) -> float:
    exact = sources.strategy.exact_glft
    return glft.shape(params, sources.inventory_lots, exact).half_spread


def uncalibrated(sources: ParameterSources, numbers: dict[str, float]) -> MarketParams:
    """The parameters with m = 1."""
    calibration = sources.components.calibration
    return MarketParams(
        ts=sources.ts,
        fair=numbers["fair"],
        sigma=clip(numbers["sigma"], SIGMA_BOUNDS),
        kappa=clip(numbers["kappa"], KAPPA_BOUNDS),
        arrival=clip(numbers["arrival"], ARRIVAL_BOUNDS),
        gamma=glft.effective_gamma(sources.strategy.gamma),
        maker_fee_bps=numbers["maker_fee_bps"],
        adverse_bid_bps=numbers["adverse_bid_bps"],
        adverse_ask_bps=numbers["adverse_ask_bps"],
        min_edge_bps=sources.strategy.min_edge_bps,
        max_inventory_lots=max(sources.max_inventory_lots, 1),
        premia=sources.premia,
        calibration_progress=calibration.calibration_progress(),
        calibration_complete=calibration.is_calibrated(),
    )


def calibrated(sources: ParameterSources, params: MarketParams) -> MarketParams:
    """With the calibration's multiplier (docs/model.md, Calibration)."""
    calibration = sources.components.calibration
    if not (calibration.hungry or params.premia):
        return params
    multiplier = calibration.gamma_multiplier()
    min_edge = params.min_edge_bps
    gamma = params.gamma
    width = multiplier
    if calibration.hungry and calibration.settings.policy == "target_rate":
        width = target_rate_multiplier(sources, params, multiplier)
        if calibration.may_lose:
            min_edge = -max(params.maker_fee_bps + adverse_high(params), 0.0)
    elif moves_gamma(calibration.settings):
        gamma, width = glft.effective_gamma(sources.strategy.gamma, multiplier), 1.0
    premia = (*params.premia, *dither(sources, params.kappa))
    return replace(
        params,
        gamma=gamma,
        min_edge_bps=min_edge,
        premia=bounded_premia(premia, sources.strategy.max_premia_bps),
        calibration_gamma_mult=width,
    )


def target_rate_multiplier(sources: ParameterSources, params: MarketParams, most: float) -> float:
    """m = clip((δ* - fee - a - premia)/h, floor, most); δ*: both sides' rate is the target."""
    settings = sources.components.calibration.settings
    known = sources.components.intensity.posterior
    if known is None:
        return most
    depth = known.depth_for_rate(settings.target_fill_rate_per_hour / 3600.0 / 2.0)
    bounded = bounded_premia(params.premia, sources.strategy.max_premia_bps)
    premia = 0.5 * math.fsum(p.bid_bps + p.ask_bps for p in bounded)
    half_spread = full_half_spread(sources, params)
    floor = settings.target_rate_floor
    if sources.components.calibration.may_lose:
        floor = min(floor, -(params.maker_fee_bps + adverse_low(params)) / half_spread)
    return min(max((depth - glft.cost_bps(params) - premia) / half_spread, floor), most)


def dither(sources: ParameterSources, kappa: float) -> tuple[Premium, ...]:
    """One level alone cannot tell κ: while hungry it takes turns at three depths, half 1/κ apart.

    The turn changes with each own arrival and every ten minutes, never per cycle.
    """
    components = sources.components
    if sources.strategy.levels > 1 or not components.calibration.hungry:
        return ()
    turn = components.intensity.total + sources.ts // DITHER_NS
    bps = (turn % 3) * 0.5 / kappa
    return (Premium("dither", bps, bps),)


def adverse_high(params: MarketParams) -> float:
    return max(params.adverse_bid_bps, params.adverse_ask_bps, 0.0)


def adverse_low(params: MarketParams) -> float:
    return max(min(params.adverse_bid_bps, params.adverse_ask_bps), 0.0)


def bounded_premia(premia: tuple[Premium, ...], most: float) -> tuple[Premium, ...]:
    """Each within [0, most]; what their sum exceeds `most` by is taken back as the term `cap`."""
    if not premia:
        return ()
    kept = tuple(
        Premium(p.name, clip(p.bid_bps, (0.0, most)), clip(p.ask_bps, (0.0, most))) for p in premia
    )
    bid = most - math.fsum(p.bid_bps for p in kept)
    ask = most - math.fsum(p.ask_bps for p in kept)
    if bid >= 0.0 and ask >= 0.0:
        return kept
    return (*kept, Premium("cap", min(bid, 0.0), min(ask, 0.0)))


def clip(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
