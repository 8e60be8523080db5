"""`mm explain`: numbers are those of the functions that quote, for whatever was asked."""

import math
from decimal import Decimal

import pytest
from msgspec.structs import replace

from mm.app.config import ConfigError
from mm.app.explain import GAMMAS, MOVABLE, OUTSIDE, Explanation, Outcome, SideView, explain
from mm.app.explain_inputs import KNOWN, Inputs, inputs
from mm.core.strategy import glft
from mm.core.strategy.distribution import entropy
from mm.sim.scenarios import preset

TYPICAL = ("gamma=0.02", "kappa=0.25", "arrival=0.1", "sigma=1.5", "adverse_bps=0.4", "q=1.5")


def asked(*sets: str) -> Inputs:
    return inputs([], {}, sets)


def sources(given: Inputs) -> dict[str, str]:
    return {p.name: p.source for p in given.parameters}


@pytest.fixture(scope="module")
def found() -> Explanation:
    return explain(asked(*TYPICAL))


# -- parameters ---------------------------------------------------------------------------------


def test_without_anything_given_it_is_the_configuration_and_the_priors() -> None:
    given, market = asked(), preset("liquid")
    values = {p.name: p.value for p in given.parameters}
    assert list(values) == list(KNOWN)
    assert values["gamma"] == 0.05
    assert values["fair"] == given.market.fair == market.price
    assert values["kappa"] == pytest.approx(1 / (2 * market.depth.half_spread_bps))
    assert values["max_inventory_lots"] == given.market.max_inventory_lots == 10
    assert given.market.calibration_gamma_mult == 1.0
    assert sources(given)["kappa"] == "prior (touch)"
    bounds = {p.name: (p.low, p.high) for p in given.parameters if p.low is not None}
    assert list(bounds) == ["kappa", "arrival", "sigma", "adverse_bid_bps", "adverse_ask_bps"]
    spread = math.exp(1.645)
    assert bounds["kappa"] == pytest.approx(
        (values["kappa"] / spread, values["kappa"] * spread), rel=0.01
    )
    assert bounds["adverse_bid_bps"] == pytest.approx((-3.29, 3.29), abs=0.01)
    assert sources(given)["touch_bps"] == "scenario liquid"


def test_a_value_says_where_it_was_set() -> None:
    given = inputs(
        [],
        {"MM_STRATEGY__GAMMA": "0.2"},
        [
            "strategy.levels=3",
            "exchange.scenario=thin",
            "stochastic.intensity.kappa_prior=0.5",
            "σ=2",
        ],
    )
    assert given.market.gamma == 0.2
    assert given.market.kappa == pytest.approx(0.5)
    assert given.market.sigma == 2.0
    assert given.settings.strategy.levels == 3
    found = sources(given)
    assert found["gamma"] == "env MM_STRATEGY__GAMMA"
    assert found["levels"] == found["sigma"] == "--set"
    assert found["kappa"] == "prior (kappa_prior)"
    assert found["fair"] == "scenario thin"


def test_on_a_venue_whose_market_nobody_knows_the_assumption_is_named() -> None:
    given = asked("venue.network=testnet")
    assert sources(given)["touch_bps"] == sources(given)["fair"] == "assumed: set it"
    listed = asked("venue.network=testnet", "fair=65000", "lot_usd=100")
    assert 0.98 < float(listed.lot_size) * 65_000.0 / 100.0 <= 1.0
    assert listed.market.max_inventory_lots == round(10_000 / 65_000 / float(listed.lot_size))


def test_a_tick_and_a_price_make_the_instrument() -> None:
    given = asked("fair=250", "tick=0.001")
    assert given.instrument.tick(250.0) == Decimal("0.001")
    assert given.value("tick") == 0.001
    assert asked("fair=250").instrument.tick(250.0) == Decimal("0.1")  # BTC's decimals


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("gama=0.1", "did you mean gamma?"),
        ("maker_fee=1", "did you mean maker_fee_bps?"),
        ("zzzz=1", "the names are gamma (γ), kappa (κ)"),
        ("zzzz=1", "inventory_lots (q), max_inventory_lots (Q)"),
        ("zzzz=1", "tick, touch_bps (touch), adverse_bps"),
        ("strategy.gama=1", "did you mean strategy.gamma?"),
        ("gamma", "expected NAME=VALUE"),
        ("gamma=often", "not a number"),
        ("levels=2.5", "not a whole number"),
        ("kappa=-1", "must lie between 0.0001 and 100"),
        ("sigma=nan", "must lie between"),
        ("m=1.5", "must lie between 0.001 and 1"),
        ("tick=0.5", "powers of ten"),
        ("strategy.gamma=-1", "input should be greater"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(assignment: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        asked(assignment)
    assert complaint in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert refusal.value.exit_code == 4


# -- what it explains ---------------------------------------------------------------------------


def test_terms_add_up_to_the_quotes_that_the_strategy_would_give(found: Explanation) -> None:
    given = asked(*TYPICAL)
    quote = glft.quote(given.market, 1.5)
    for side, want in ((found.bid, quote.bid), (found.ask, quote.ask)):
        assert want is not None
        assert side.depth_bps == want.depth_bps
        assert math.fsum(term.bps for term in side.terms) == pytest.approx(want.depth_bps)
        assert side.binding == "glft"
    assert found.now.half_spread_bps == quote.half_spread_bps
    assert found.now.skew_bps == quote.skew_bps


def test_the_ladder_is_what_would_rest(found: Explanation) -> None:
    given = asked(*TYPICAL)
    for side, sign in ((found.bid, 1), (found.ask, -1)):
        assert len(side.levels) == 5
        total = sum(Decimal(rung.size) for rung in side.levels)
        assert total == given.lot_size
        assert side.entropy == pytest.approx(entropy([float(r.size) for r in side.levels]))
        assert side.entropy >= 0.8 * math.log(5)
        for rung in side.levels:
            depth = sign * 1e4 * (given.market.fair - float(rung.price)) / given.market.fair
            assert rung.depth_bps == pytest.approx(depth)


def test_arrivals_are_those_of_the_first_level(found: Explanation) -> None:
    for side in (found.bid, found.ask):
        first = side.levels[0].depth_bps
        assert side.arrivals_per_h == pytest.approx(3600 * 0.1 * math.exp(-0.25 * first))
        assert 0.0 < side.lots_per_arrival < 1.0
        assert side.edge_bps > first - 1.9


def test_a_full_side_says_why_it_does_not_quote() -> None:
    found = explain(asked("q=10"))
    assert found.bid.depth_bps is None
    assert found.bid.blocked == "inventory at its bound"
    assert found.bid.levels == ()
    assert found.bid.arrivals_per_h == 0.0
    gamma = next(row for row in found.doubled if row.name == "gamma")
    assert gamma.change["bid_bps"] is None
    assert gamma.change["ask_bps"] is not None


def test_a_quote_through_the_touch_is_clamped_and_says_so() -> None:
    found = explain(asked("q=9", "gamma=0.2"))
    assert found.ask.binding == "clamp"
    assert found.ask.levels[0].depth_bps > -6.0
    assert (found.ask.depth_bps or 0.0) < -6.0


def test_a_floor_that_binds_says_so() -> None:
    found = explain(asked("min_edge_bps=50"))
    assert found.bid.binding == found.ask.binding == "floor"


def test_each_change_is_that_of_the_quotes_with_the_other_value(found: Explanation) -> None:
    given = asked(*TYPICAL)
    moved = {row.name: row for row in found.doubled}
    assert {*MOVABLE, *OUTSIDE, "premium_bps"} == set(moved)
    for name in ("gamma", "kappa", "arrival", "sigma", "maker_fee_bps"):
        row = moved[name]
        assert row.to == 2 * row.value
        base = glft.quote(given.market, 1.5)
        other = glft.quote(replace(given.market, **{MOVABLE[name]: row.to}), 1.5)
        assert base.bid is not None
        assert other.bid is not None
        assert row.change["bid_bps"] == pytest.approx(other.bid.depth_bps - base.bid.depth_bps)
        assert set(row.change) == set(Outcome.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "number", "sign"),
    [
        ("gamma", "skew_bps", +1),
        ("gamma", "inventory_sd_lots", -1),
        ("kappa", "half_spread_bps", -1),
        ("arrival", "arrivals_per_h", +1),
        ("sigma", "inventory_sd_lots", -1),
        ("maker_fee_bps", "bid_bps", +1),
        ("adverse_bid_bps", "bid_bps", +1),
        ("adverse_ask_bps", "ask_bps", +1),
        ("multiplier", "half_spread_bps", -1),
        ("inventory_lots", "ask_bps", -1),
        ("inventory_lots", "bid_bps", +1),
        ("premium_bps", "bid_bps", +1),
    ],
)
def test_changes_have_the_documented_sign(
    found: Explanation, name: str, number: str, sign: int
) -> None:
    (row,) = (row for row in found.doubled if row.name == name)
    assert sign * (row.change[number] or 0.0) > 0.0


def test_nothing_and_the_most_move_too(found: Explanation) -> None:
    moved = {row.name: (row.value, row.to) for row in found.doubled}
    assert moved["premium_bps"] == (0.0, 1.0)
    assert moved["multiplier"] == (1.0, 0.5)
    assert {r.name: r.to for r in explain(asked("m=0.4")).doubled}["multiplier"] == 0.8


def test_gamma_trades_edge_for_inventory(found: Explanation) -> None:
    assert [row.gamma for row in found.gammas] == list(GAMMAS)
    risk = [row.risk_usd_per_sqrt_h for row in found.gammas]
    skew = [row.skew_per_lot_bps for row in found.gammas]
    assert risk == sorted(risk, reverse=True)
    assert skew == sorted(skew)
    assert found.gammas[0].edge_usd_per_h > found.gammas[-1].edge_usd_per_h
    (same,) = (row for row in found.gammas if row.gamma == 0.02)
    assert same == found.long_run


def test_the_curve_spans_the_inventory_that_may_be_held(found: Explanation) -> None:
    bound = asked(*TYPICAL).market.max_inventory_lots
    assert [p.inventory_lots for p in found.curve] == [float(q) for q in range(-bound, bound + 1)]
    assert found.curve[0].ask_bps is None
    assert found.curve[-1].bid_bps is None
    bids = [p.bid_bps for p in found.curve if p.bid_bps is not None]
    assert bids == sorted(bids)
    assert math.fsum(p.probability for p in found.curve) == pytest.approx(1.0)


def test_funding_shows_as_a_term_of_both_sides() -> None:
    """Longs pay 5 bps an hour: the bid stands off, the ask comes nearer, by as much."""
    given = asked(*TYPICAL, "funding_bps_per_h=5", "sigma=0.5")
    found = explain(given)
    target = glft.target_inventory(given.market, 5e-4)
    assert target < 0.0
    quote = glft.quote(given.market, 1.5, True, target)
    assert quote.bid is not None
    assert found.bid.terms == quote.bid.terms
    terms = {term.name: term.bps for term in found.ask.terms}
    assert terms["funding"] < 0.0
    assert math.fsum(p.inventory_lots * p.probability for p in found.curve) < 0.0


def test_one_level_takes_a_whole_lot_an_arrival() -> None:
    found = explain(asked("levels=1", "S=100", "tick=0.000001"))

    def checked(side: SideView) -> None:
        assert side.lots_per_arrival == pytest.approx(1.0)
        assert side.edge_bps == pytest.approx((side.depth_bps or 0.0) - 1.5, abs=0.02)

    checked(found.bid)
    checked(found.ask)
