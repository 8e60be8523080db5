"""From sources to parameters: what travels, what is refused, and what m is."""

import math
from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from mm.core.settings import (
    CalibrationSettings,
    IntensitySettings,
    StochasticSettings,
    StrategySettings,
    VolatilitySettings,
)
from mm.core.stochastic.components import StochasticComponents
from mm.core.stochastic.views import calibration_view
from mm.core.strategy import glft
from mm.core.strategy.params import ParameterAggregator, ParameterSources, bounded_premia
from mm.model.events import Fill
from mm.model.market_params import MarketParams, NotReady, Premium
from mm.model.units import NS_PER_S, Ns, Side
from tests.shapes import some_fill

START = 1_700_000_000 * NS_PER_S
FAIR = 10_000.0
WARM = START + 100 * NS_PER_S


def bundle(exploration: str = "none", **calibration: object) -> StochasticComponents:
    """σ known, κ and A the prior's."""
    components = StochasticComponents(
        StochasticSettings(
            intensity=IntensitySettings(kappa_prior=0.3, arrival_prior_per_s=0.05),
            volatility=VolatilitySettings(min_observations=30, max_warmup_s=1000.0),
            calibration=CalibrationSettings(**calibration),  # type: ignore[arg-type]  # kwargs
        ),
        StrategySettings(exploration=exploration),
    )
    random, fair = Random(1), FAIR
    for n in range(100):
        at = START + n * NS_PER_S
        fair *= 1.0 + 1e-4 * random.gauss(0.0, 1.0)
        components.learn_fair(at, at, fair, 1.0)
    components.flush(WARM)
    components.update_calibration_status(WARM)
    return components


def sources(components: StochasticComponents, **changes: object) -> ParameterSources:
    base = ParameterSources(
        ts=WARM,
        fair=FAIR,
        inventory_lots=0.0,
        max_inventory_lots=10,
        maker_fee_bps=1.5,
        components=components,
        strategy=StrategySettings(),
    )
    return replace(base, **changes)


def build(components: StochasticComponents, **changes: object) -> MarketParams:
    built = ParameterAggregator.build(sources(components, **changes))
    assert isinstance(built, MarketParams), built
    return built


def test_estimates_settings_and_calibration_all_arrive() -> None:
    components = bundle()
    p = build(components, strategy=StrategySettings(gamma=0.07, min_edge_bps=0.4))
    sigma, known = components.sigma(WARM), components.intensity.posterior
    assert sigma is not None
    assert known is not None
    assert (p.sigma, p.kappa, p.arrival) == (sigma.value, known.kappa_value, known.arrival_value)
    assert (p.fair, p.maker_fee_bps, p.min_edge_bps) == (FAIR, 1.5, 0.4)
    assert p.gamma == 0.07
    assert p.calibration_gamma_mult == 0.3
    assert p.calibration_progress == 0.0
    assert not p.calibration_complete


def test_the_same_sources_give_the_same_parameters() -> None:
    components = bundle()
    before = components.checkpoint()
    assert build(components) == build(components)
    assert components.checkpoint() == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fair": None}, "no fair price"),
        ({"fair": math.nan}, "fair is no usable number"),
        ({"fair": -1.0}, "fair is no usable number"),
        ({"maker_fee_bps": None}, "maker fee unknown"),
        ({"maker_fee_bps": math.inf}, "maker_fee_bps is no usable number"),
        ({"inventory_lots": math.nan}, "inventory_lots is no usable number"),
        ({"premia": (Premium("x", math.nan, 0.0),)}, "premium x is no usable number"),
        ({"premia": (Premium("x", 0.0, math.inf),)}, "premium x is no usable number"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, object], reason: str) -> None:
    assert ParameterAggregator.build(sources(bundle(), **changes)) == NotReady(reason)


def test_cold_estimators_are_named() -> None:
    cold = StochasticComponents(StochasticSettings(), StrategySettings())
    cold.learn_fair(START, START, FAIR, 1.0)
    assert ParameterAggregator.build(sources(cold, ts=START)) == NotReady("volatility warming up")
    late = sources(cold, ts=START + 100 * NS_PER_S)
    refused = ParameterAggregator.build(late)
    assert refused == NotReady("no touch seen to centre the prior of kappa")
    cold.flush(late.ts)
    assert isinstance(ParameterAggregator.build(late), MarketParams)


# -- calibration ----------------------------------------------------------------------------------


def test_fill_hungry_quotes_are_seventy_per_cent_tighter_than_the_optimum() -> None:
    components = bundle()
    tight, full = build(components), build(bundle(policy="off"))
    assert tight.calibration_gamma_mult == 0.3
    quote = glft.quote(tight, 0.0)
    assert quote.bid is not None
    half_spread = next(t.bps for t in quote.bid.terms if t.name == "half_spread")
    assert half_spread == 0.3 * glft.quote(full, 0.0).half_spread_bps
    assert replace(tight, calibration_gamma_mult=1.0) == full


def test_the_gamma_lever_moves_gamma_and_not_the_width() -> None:
    components = bundle(lever="gamma")
    found = sources(components)
    p = build(components)
    assert p.calibration_gamma_mult == 1.0
    assert p.gamma == pytest.approx(0.3 * StrategySettings().gamma)
    quote = glft.quote(p, 0.0)
    ParameterAggregator.record(found, p, quote)
    view = calibration_view(components)
    full = glft.quote(replace(p, gamma=StrategySettings().gamma), 0.0).half_spread_bps
    assert view.multiplier == 0.3
    assert view.effect_bps == pytest.approx(full - quote.half_spread_bps)


def test_recording_a_cycle_exports_its_effect_and_notes_the_mode() -> None:
    components = bundle()
    p = build(components)
    quote = glft.quote(p, 0.0)
    ParameterAggregator.record(sources(components), p, quote)
    view = calibration_view(components)
    assert view.effect_bps == pytest.approx(0.7 * quote.half_spread_bps)
    assert view.multiplier == 0.3
    (note,) = components.calibration.take_notes()
    assert note.text == "Fill-hungry mode active"
    assert note.data["effect_bps"] == pytest.approx(view.effect_bps)


def rate_at_quote(components: StochasticComponents, p: MarketParams) -> float:
    """Expected arrivals per hour, both sides, at the level-1 depths."""
    quote, known = glft.quote(p, 0.0), components.intensity.posterior
    assert known is not None
    sides = [s for s in (quote.bid, quote.ask) if s is not None]
    return 3600.0 * math.fsum(known.expected_rate(s.depth_bps) for s in sides)


def aged(hours: float) -> Callable[[StochasticComponents], StochasticComponents]:
    """That long quoted at 4 bps without a fill."""

    def age(components: StochasticComponents) -> StochasticComponents:
        for side in (Side.BID, Side.ASK):
            components.learn_levels(WARM, WARM, side, (FAIR * (1 - side * 4e-4),))
        components.flush(WARM + round(hours * 3600 * NS_PER_S))
        return components

    return age


def test_target_rate_quotes_where_the_target_is_expected() -> None:
    components = bundle(policy="target_rate", target_fill_rate_per_hour=170.0)
    p = build(components)
    assert 0.05 < p.calibration_gamma_mult < 0.3
    assert rate_at_quote(components, p) == pytest.approx(170.0, rel=1e-6)


def test_silence_pulls_target_rate_quotes_in_and_the_floor_stops_them() -> None:
    multipliers = []
    for hours in (0.0, 0.5, 2.0, 20.0):
        components = aged(hours)(bundle(policy="target_rate"))
        multipliers.append(build(components).calibration_gamma_mult)
    assert multipliers[0] == 0.3  # that of fill_hungry is the upper bound
    assert multipliers == sorted(multipliers, reverse=True)
    assert multipliers[-1] == 0.05


def test_when_calibrated_the_target_is_no_more() -> None:
    components = aged(20.0)(bundle(policy="target_rate"))
    components.calibration.update_calibration_status(WARM, 20, 0.75)
    assert build(components).calibration_gamma_mult == 1.0
    assert build(components).calibration_complete


def test_only_a_loss_budget_lets_depths_below_the_costs_and_never_beyond_fair() -> None:
    without = build(aged(20.0)(bundle(policy="target_rate")))
    quote = glft.quote(without, 0.0)
    assert quote.bid is not None
    assert quote.bid.depth_bps >= 1.5 + 0.1
    components = aged(20.0)(bundle(policy="target_rate", loss_budget_usd=1.0))
    p = build(components)
    losing = glft.quote(p, 0.0)
    assert losing.bid is not None
    assert -1e-9 <= losing.bid.depth_bps < 1.5
    found = sources(components)
    ParameterAggregator.record(found, p, losing)
    one = Decimal(1)
    components.calibration.record_fill(
        Fill(WARM, WARM, 1, "c", 1, Side.BID, Decimal(FAIR), one, one, one, True)
    )
    assert not components.calibration.may_lose  # 1.5 bps of 10,000 USD
    assert build(components).calibration_gamma_mult >= 0.05


def test_one_level_takes_turns_at_three_depths_until_calibrated() -> None:
    single, ten_minutes = StrategySettings(levels=1), 600 * NS_PER_S
    components = bundle()
    seen = []
    for turn in range(6):
        p = build(components, strategy=single, ts=WARM + turn * ten_minutes)
        assert p == build(components, strategy=single, ts=WARM + turn * ten_minutes)
        seen.append(p.premia[0].bid_bps * p.kappa)
    assert sorted(seen) == pytest.approx([0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    assert build(components).premia == ()
    components.calibration.update_calibration_status(WARM, 20, 0.75)
    assert build(components, strategy=single).premia == ()


def test_the_closed_form_is_hungry_by_its_own_width() -> None:
    closed = StrategySettings(exact_glft=False)
    components = bundle(policy="target_rate", target_fill_rate_per_hour=170.0)
    p = build(components, strategy=closed)
    quote, known = glft.quote(p, 0.0, exact=False), components.intensity.posterior
    assert known is not None
    assert quote.bid is not None
    assert 7200.0 * known.expected_rate(quote.bid.depth_bps) == pytest.approx(170.0, rel=1e-6)


def test_a_spent_edge_budget_restores_the_full_width() -> None:
    components = bundle(edge_budget_usd=0.0)
    assert build(components).calibration_gamma_mult == 1.0


def test_thompson_quotes_with_the_draw() -> None:
    components = bundle("thompson")
    p = build(components)
    assert (p.kappa, p.arrival) == components.intensity_point(WARM)
    known = components.intensity.posterior
    assert known is not None
    assert p.kappa != known.kappa_value


# -- premia and bounds ----------------------------------------------------------------------------


def test_premia_are_each_and_together_bounded_and_the_excess_is_itemised() -> None:
    premia = (Premium("stale", 15.0, 1.0), Premium("budget", 99.0, -3.0))
    bounded = bounded_premia(premia, 20.0)
    assert [p.name for p in bounded] == ["stale", "budget", "cap"]
    assert math.fsum(p.bid_bps for p in bounded) == pytest.approx(20.0)
    assert math.fsum(p.ask_bps for p in bounded) == pytest.approx(1.0)
    assert bounded_premia(premia[:1], 20.0) == premia[:1]
    p = build(bundle(), premia=premia, inventory_lots=0.0)
    assert p.premia == bounded
    quote = glft.quote(p, 0.0)
    assert quote.bid is not None
    assert math.fsum(t.bps for t in quote.bid.terms) == pytest.approx(quote.bid.depth_bps)


def test_inputs_are_clipped_to_what_formulas_can_bear() -> None:
    components = StochasticComponents(
        StochasticSettings(
            intensity=IntensitySettings(kappa_prior=0.3, arrival_prior_per_s=1e9),
            volatility=VolatilitySettings(sigma_prior=1e9, max_warmup_s=0.0),
        ),
        StrategySettings(gamma=1e9),
    )
    components.learn_fair(START, START, FAIR, 1.0)
    p = build(components, strategy=StrategySettings(gamma=1e9), max_inventory_lots=0)
    assert (p.sigma, p.arrival, p.gamma, p.max_inventory_lots) == (1e3, 1e4, 1e3, 1)
    quote = glft.quote(p, 0.0)
    assert quote.bid is not None
    assert math.isfinite(quote.bid.depth_bps)


def feed_adverse(components: StochasticComponents, n: int) -> Ns:
    """Buys after which S falls by 6 bps."""
    ts, price = WARM, FAIR
    for k in range(n):
        ts += 60 * NS_PER_S
        components.learn_fair(ts, ts, price, 1.0)
        at = Decimal(repr(price - 3))
        ids = {"trade_id": k, "cloid": f"c{k}", "oid": k}
        components.learn_fill(some_fill(ts=ts + 1, venue_ts=ts + 1, price=at, **ids))
        price *= 1.0 - 6e-4
        components.learn_fair(ts + 2, ts + 2, price, 1.0)
        components.flush(ts + 40 * NS_PER_S)
    return ts + 40 * NS_PER_S


def test_adverse_selection_widens_the_side_that_suffers() -> None:
    components = bundle()
    before = build(components)
    ts = feed_adverse(components, 40)
    after = build(components, ts=ts)
    assert before.adverse_bid_bps == 0.0
    assert after.adverse_bid_bps == pytest.approx(6.0, abs=1.0)
    assert after.adverse_ask_bps == 0.0
