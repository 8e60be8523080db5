"""GLFT quotes against the paper's values, an independent eigen-solver, and their own symmetries."""

import math

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mm.core.strategy import glft
from mm.model.market_params import MarketParams, Premium
from mm.model.quote import Binding, Quote, SideQuote

INVENTORIES = (-5, -2, 0, 2, 5)


def params(**changes: object) -> MarketParams:
    base = MarketParams(
        ts=0,
        fair=100.0,
        sigma=0.3,
        kappa=0.3,
        arrival=0.9,
        gamma=0.01,
        maker_fee_bps=0.0,
        adverse_bid_bps=0.0,
        adverse_ask_bps=0.0,
        min_edge_bps=-1e3,
        max_inventory_lots=30,
    )
    return replace(base, **changes)


def bid(quote: Quote) -> SideQuote:
    assert quote.bid is not None
    return quote.bid


def ask(quote: Quote) -> SideQuote:
    assert quote.ask is not None
    return quote.ask


def depths(p: MarketParams, q: float, exact: bool = True) -> tuple[float, float]:
    quote = glft.quote(p, q, exact)
    return bid(quote).depth_bps, ask(quote).depth_bps


# -- known values ---------------------------------------------------------------------------------


CALM = params()
RISKY = params(gamma=0.1, kappa=0.5, arrival=0.5, sigma=2.0)


@pytest.mark.parametrize(
    ("p", "exact", "closed"),
    [
        (
            CALM,
            (2.9725, 3.1768, 3.3130, 3.4493, 3.6535),
            (2.9736, 3.1772, 3.3129, 3.4486, 3.6522),
        ),
        (
            RISKY,
            (-3.7410, -0.6840, 2.7363, 5.5818, 8.0709),
            (-5.1319, -0.4951, 2.5960, 5.6871, 10.3239),
        ),
    ],
)
def test_published_check_values(
    p: MarketParams, exact: tuple[float, ...], closed: tuple[float, ...]
) -> None:
    assert [round(depths(p, q)[0], 4) for q in INVENTORIES] == list(exact)
    assert [round(depths(p, q, exact=False)[0], 4) for q in INVENTORIES] == list(closed)


@pytest.mark.parametrize(
    ("steepness", "bound"), [(1e-6, 5), (0.02, 30), (1.7, 10), (5e3, 200), (1e-4, 200), (3.0, 1)]
)
def test_ratios_equal_an_independent_eigenvector(steepness: float, bound: int) -> None:
    """mpmath on the half matrix (the ground state is even), with digits enough for its tail."""
    mpmath.mp.dps = 1800 if steepness * bound > 1e5 else 60
    size = bound + 1
    matrix = mpmath.zeros(size)
    for q in range(size):
        matrix[q, q] = mpmath.mpf(steepness) * q * q
        if q:
            # folding ±q into one symmetric state couples 0 and 1 by √2
            coupling = -mpmath.sqrt(2) if q == 1 else mpmath.mpf(-1)
            matrix[q, q - 1] = matrix[q - 1, q] = coupling
    vector = inverse_iteration(matrix, size)
    vector[0] *= mpmath.sqrt(2)
    want = [float(mpmath.log(vector[q + 1] / vector[q])) for q in range(bound)]
    assert glft.log_ratios(steepness, bound) == pytest.approx(want, abs=1e-9)


def inverse_iteration(matrix: mpmath.matrix, size: int) -> list[mpmath.mpf]:
    """Ground state of a tridiagonal matrix: bisection on Sturm counts, then inverse iteration."""

    def below(value: mpmath.mpf) -> int:
        count, pivot = 0, mpmath.mpf(1)
        for q in range(size):
            off = matrix[q, q - 1] ** 2 / pivot if q else 0
            pivot = matrix[q, q] - value - off
            pivot = pivot or mpmath.mpf(10) ** -50
            count += pivot < 0
        return count

    low, high = mpmath.mpf(-3), mpmath.mpf(1)
    with mpmath.workdps(60):
        for _ in range(160):
            middle = (low + high) / 2
            low, high = (low, middle) if below(middle) else (middle, high)
    shift = low - mpmath.mpf(10) ** -45
    vector = [mpmath.mpf(1)] * size
    for _ in range(max(3, mpmath.mp.dps // 50)):
        pivots, right = [matrix[0, 0] - shift], [vector[0]]
        for q in range(1, size):
            factor = matrix[q, q - 1] / pivots[-1]
            pivots.append(matrix[q, q] - shift - factor * matrix[q, q - 1])
            right.append(vector[q] - factor * right[-1])
        vector = [mpmath.mpf(0)] * size
        vector[-1] = right[-1] / pivots[-1]
        for q in range(size - 2, -1, -1):
            vector[q] = (right[q] - matrix[q, q + 1] * vector[q + 1]) / pivots[q]
        norm = mpmath.sqrt(sum(v * v for v in vector))
        vector = [v / norm for v in vector]
    return vector


@settings(max_examples=60, deadline=None)
@given(
    log_steepness=st.floats(math.log(1e-16), math.log(1e16)),
    kappa=st.floats(0.005, 5.0),
    bound=st.integers(1, 200),
    share=st.floats(-1.0, 1.0),
)
@example(log_steepness=0.7249, kappa=0.005, bound=10, share=0.0)
def test_what_is_quoted_from_the_cache_is_the_solution(
    log_steepness: float, kappa: float, bound: int, share: float
) -> None:
    """Where interpolation is worst (the example), too; linear it was 5e-6 bps off at κ = 1."""
    p = params(kappa=kappa, max_inventory_lots=bound)
    p = replace(p, sigma=p.sigma * math.exp(0.5 * log_steepness) / math.sqrt(glft.steepness_of(p)))
    cached = glft.exact_shape(p, share * bound)
    solved = glft.exact_shape(p, share * bound, cached=False)
    assert abs(cached.half_spread - solved.half_spread) < 5e-7
    assert abs(cached.skew - solved.skew) < 5e-7


def test_stationarity_of_the_papers_equations() -> None:
    """With v' = 0 up to the common decay: αq²v_q - η(v_{q+1} + v_{q-1}) = λ·v_q at every q."""
    for steepness, bound in [(0.3, 7), (400.0, 40)]:
        logs = glft.log_ratios(steepness, bound)
        v = [1.0]
        for r in logs:
            v.append(v[-1] * math.exp(r))
        eigenvalue = -2.0 * v[1] / v[0]
        for q in range(1, bound):
            if v[q] > 1e-250:
                residual = steepness * q * q - (v[q + 1] + v[q - 1]) / v[q] - eigenvalue
                assert abs(residual) < 1e-9 * max(1.0, steepness * q * q)


# -- limits and shape -----------------------------------------------------------------------------


def test_small_gamma_is_the_risk_neutral_quote() -> None:
    for gamma in (1e-3, 1e-6, 1e-9, 1e-12):
        p = params(gamma=gamma, sigma=1e-4)
        assert depths(p, 0)[0] == pytest.approx(1 / 0.3, rel=2e-3)
        assert depths(p, 0, exact=False)[0] == pytest.approx(1 / 0.3, rel=2e-3)
    assert glft.base_depth(1e-9, 0.3) == pytest.approx(glft.base_depth(3.1e-9, 0.3), rel=1e-8)
    assert glft.log_discount(1e-12, 0.3) == pytest.approx(1.0)
    assert glft.log_discount(0.3, 0.3) == pytest.approx(2.0 * math.log(2.0))


def test_at_high_risk_the_closed_form_is_far_off() -> None:
    assert abs(depths(RISKY, 5)[0] - depths(RISKY, 5, exact=False)[0]) > 2.0


def test_between_whole_lots_depths_are_interpolated() -> None:
    low, high, middle = depths(RISKY, 1)[0], depths(RISKY, 2)[0], depths(RISKY, 1.25)[0]
    assert middle == pytest.approx(0.75 * low + 0.25 * high)


@pytest.mark.parametrize("q", [30.0, 31.7, 1e6])
def test_at_and_beyond_the_bound_only_the_reducing_side_is_quoted(q: float) -> None:
    long, short = glft.quote(RISKY, q), glft.quote(RISKY, -q)
    assert long.bid is None
    assert long.blocked_bid == "inventory at its bound"
    assert short.ask is None
    assert short.blocked_ask == "inventory at its bound"
    assert ask(long).depth_bps == pytest.approx(bid(short).depth_bps)
    assert ask(long).depth_bps == pytest.approx(ask(glft.quote(RISKY, 30.0)).depth_bps)
    assert ask(long).depth_bps < ask(glft.quote(RISKY, 29.0)).depth_bps


def test_one_lot_of_room_still_quotes() -> None:
    p = replace(RISKY, max_inventory_lots=1)
    assert depths(p, 0.0)[0] == pytest.approx(depths(p, 0.0)[1])
    assert glft.quote(p, 1.0).bid is None


@st.composite
def operating(draw: st.DrawFn) -> MarketParams:
    """Anywhere in, and beyond, the range that estimators and settings can give."""
    adverse = draw(st.floats(-5.0, 20.0))
    return params(
        gamma=draw(st.floats(1e-6, 1.0)),
        kappa=draw(st.floats(0.01, 5.0)),
        arrival=draw(st.floats(1e-7, 10.0)),
        sigma=draw(st.floats(1e-4, 20.0)),
        maker_fee_bps=draw(st.floats(-2.0, 5.0)),
        adverse_bid_bps=adverse,
        adverse_ask_bps=-adverse,
        min_edge_bps=0.1,
        max_inventory_lots=draw(st.integers(1, 30)),
        calibration_gamma_mult=draw(st.floats(0.05, 1.0)),
        premia=(Premium("stale", 1.0, 2.0),),
    )


@settings(max_examples=200, deadline=None)
@given(p=operating(), q=st.floats(-32.0, 32.0), exact=st.booleans())
def test_quotes_are_finite_add_up_and_never_cross(p: MarketParams, q: float, exact: bool) -> None:
    quote = glft.quote(p, q, exact)
    assert quote.half_spread_bps > 0
    sides = [s for s in (quote.bid, quote.ask) if s is not None]
    assert sides
    for side in sides:
        assert math.isfinite(side.depth_bps)
        assert side.depth_bps == pytest.approx(math.fsum(t.bps for t in side.terms))
        adverse = max(p.adverse_bid_bps if side.side > 0 else p.adverse_ask_bps, 0.0)
        if side.side * q >= 0:
            assert side.depth_bps >= p.maker_fee_bps + adverse + 0.1 - 1e-9
    if len(sides) == 2:
        costs = 2.0 * p.maker_fee_bps + max(p.adverse_bid_bps, p.adverse_ask_bps)
        assert sides[0].depth_bps + sides[1].depth_bps > costs


@settings(max_examples=100, deadline=None)
@given(q=st.floats(-12, 12), a=st.floats(-3, 8), b=st.floats(-3, 8), m=st.floats(0.3, 1))
def test_swapping_the_sides_and_the_sign_of_inventory_swaps_the_quotes(
    q: float, a: float, b: float, m: float
) -> None:
    base = replace(RISKY, max_inventory_lots=10, min_edge_bps=0.1, calibration_gamma_mult=m)
    one = replace(base, adverse_bid_bps=a, adverse_ask_bps=b, premia=(Premium("stale", 1.0, 3.0),))
    two = replace(base, adverse_bid_bps=b, adverse_ask_bps=a, premia=(Premium("stale", 3.0, 1.0),))
    here, there = glft.quote(one, q), glft.quote(two, -q)
    for mine, theirs in ((here.bid, there.ask), (here.ask, there.bid)):
        if mine is None or theirs is None:
            assert mine is theirs
            continue
        assert mine.depth_bps == pytest.approx(theirs.depth_bps, abs=1e-9)
        assert mine.binding is theirs.binding


@settings(max_examples=80, deadline=None)
@given(q=st.floats(-9.5, 8.5), more=st.floats(0.01, 1.0))
def test_more_inventory_never_raises_the_bid_nor_lowers_the_ask_depth(
    q: float, more: float
) -> None:
    p = replace(RISKY, max_inventory_lots=10)
    low, high = glft.quote(p, q), glft.quote(p, q + more)
    assert bid(high).depth_bps >= bid(low).depth_bps
    assert ask(high).depth_bps <= ask(low).depth_bps


# -- costs, multiplier, premia, floor -------------------------------------------------------------


def term(side: SideQuote, name: str) -> float:
    return math.fsum(t.bps for t in side.terms if t.name == name)


@settings(max_examples=100, deadline=None)
@given(
    gamma=st.floats(1e-4, 1.0),
    kappa=st.floats(0.01, 5.0),
    sigma=st.floats(0.01, 10.0),
    q=st.floats(-5, 5),
)
def test_m_scales_the_glft_term_exactly_and_never_the_skew(
    gamma: float, kappa: float, sigma: float, q: float
) -> None:
    p = params(gamma=gamma, kappa=kappa, sigma=sigma, maker_fee_bps=1.5)
    full = glft.quote(p, q)
    tight = glft.quote(replace(p, calibration_gamma_mult=0.3), q)
    for mine, theirs in ((bid(tight), bid(full)), (ask(tight), ask(full))):
        assert term(mine, "half_spread") == 0.3 * full.half_spread_bps
        assert term(theirs, "half_spread") == full.half_spread_bps
        assert term(mine, "skew") == term(theirs, "skew")
    assert tight.half_spread_bps == full.half_spread_bps


def test_with_a_cost_per_fill_the_optimum_is_the_cost_plus_glft_at_thinned_intensity() -> None:
    """Independent of our A_eff: the HJB with cost c and A is the costless one at A·e^(-κc),
    whose maximiser is c + δ: check that δ_c maximises A·e^(-κδ)·(1 - e^(-γ(δ - c - ∂)))."""
    p = replace(RISKY, maker_fee_bps=1.0, adverse_bid_bps=2.0, adverse_ask_bps=0.0)
    thinned = replace(RISKY, arrival=RISKY.arrival * math.exp(-RISKY.kappa * 2.0))
    q = 3.0
    free = depths(thinned, q)
    assert depths(p, q) == pytest.approx((free[0] + 3.0, free[1] + 1.0))

    shift = free[0] - glft.base_depth(p.gamma, p.kappa)  # the value of a lot more, ∂

    def gain(depth: float) -> float:
        return math.exp(-p.kappa * depth) * (1 - math.exp(-p.gamma * (depth - 3.0 - shift)))

    best = max((3.0 + shift + n * 0.001 for n in range(20_000)), key=gain)
    assert depths(p, q)[0] == pytest.approx(best, abs=0.002)


def test_the_floor_binds_except_on_the_reducing_side() -> None:
    p = replace(RISKY, min_edge_bps=0.5, calibration_gamma_mult=0.05, maker_fee_bps=1.5)
    flat = glft.quote(p, 0.0)
    assert bid(flat).binding is Binding.FLOOR
    assert bid(flat).depth_bps == pytest.approx(2.0)
    assert term(bid(flat), "floor") > 0
    short = glft.quote(p, -4.0)
    assert bid(short).binding is Binding.GLFT
    assert bid(short).depth_bps < 0.0
    assert ask(short).depth_bps > 2.0


def test_premia_widen_but_never_the_reducing_side() -> None:
    p = replace(RISKY, premia=(Premium("stale", 2.0, 3.0),))
    flat, plain = glft.quote(p, 0.0), glft.quote(RISKY, 0.0)
    assert bid(flat).depth_bps - bid(plain).depth_bps == pytest.approx(2.0)
    assert ask(flat).depth_bps - ask(plain).depth_bps == pytest.approx(3.0)
    assert depths(p, 2.0)[1] == depths(RISKY, 2.0)[1]
    assert depths(p, -2.0)[0] == depths(RISKY, -2.0)[0]
    assert depths(p, -2.0)[1] - depths(RISKY, -2.0)[1] == pytest.approx(3.0)


def test_capped_premia_are_named_as_the_binding_term() -> None:
    p = replace(RISKY, premia=(Premium("a", 5.0, 1.0), Premium("cap", -2.0, 0.0)))
    quote = glft.quote(p, 0.0)
    assert bid(quote).binding is Binding.CAP
    assert ask(quote).binding is Binding.GLFT


def test_a_quote_that_is_not_finite_is_a_named_refusal() -> None:
    quote = glft.quote(params(arrival=math.nan), 0.0, exact=False)
    assert quote.bid is quote.ask is None
    assert quote.blocked_bid == quote.blocked_ask == "depth not finite"


def test_effective_gamma_is_gamma_times_the_multiplier_where_that_is_the_lever() -> None:
    assert glft.effective_gamma(0.05) == 0.05
    assert glft.effective_gamma(0.05, 0.3) == pytest.approx(0.015)
    assert glft.effective_gamma(1e9) == 1e3
    assert glft.effective_gamma(0.0) == 1e-9


# -- sensitivity ----------------------------------------------------------------------------------


TYPICAL = params(
    sigma=1.5,
    kappa=0.3,
    arrival=0.05,
    gamma=0.05,
    maker_fee_bps=1.5,
    adverse_bid_bps=1.0,
    adverse_ask_bps=1.0,
    min_edge_bps=0.1,
    max_inventory_lots=10,
)


@pytest.mark.parametrize(
    ("name", "low", "high", "q", "side", "sign"),
    [
        ("gamma", 0.01, 0.2, 3.0, "bid", +1),
        ("gamma", 0.01, 0.2, 3.0, "ask", -1),
        ("kappa", 0.15, 0.6, 0.0, "bid", -1),
        ("arrival", 0.01, 0.2, 3.0, "bid", -1),
        ("sigma", 0.5, 3.0, 3.0, "bid", +1),
        ("calibration_gamma_mult", 0.3, 1.0, 0.0, "bid", +1),
        ("maker_fee_bps", -0.2, 2.0, 0.0, "bid", +1),
        ("adverse_bid_bps", 0.0, 4.0, 0.0, "bid", +1),
        ("adverse_ask_bps", 0.0, 4.0, 0.0, "ask", +1),
        ("min_edge_bps", 0.1, 20.0, 0.0, "bid", +1),
        ("premia", (), (Premium("stale", 2.0, 2.0),), 0.0, "bid", +1),
    ],
)
def test_every_control_moves_a_quote_with_its_sign(
    name: str, low: object, high: object, q: float, side: str, sign: int
) -> None:
    def depth(value: object) -> float:
        found: SideQuote = getattr(glft.quote(replace(TYPICAL, **{name: value}), q), side)
        return found.depth_bps

    assert sign * (depth(high) - depth(low)) > 0.1


def test_inventory_moves_both_sides_against_itself() -> None:
    (long_bid, long_ask), (flat_bid, flat_ask) = depths(TYPICAL, 3.0), depths(TYPICAL, 0.0)
    assert long_bid - flat_bid > 0.1
    assert flat_ask - long_ask > 0.1


def test_gamma_by_itself_cannot_tighten_as_the_multiplier_does() -> None:
    """Why the lever is the width: γ·0.3 at q = 0 leaves most of h where it was."""
    full = glft.quote(TYPICAL, 0.0).half_spread_bps
    by_gamma = glft.quote(replace(TYPICAL, gamma=0.3 * TYPICAL.gamma), 0.0).half_spread_bps
    assert by_gamma > 0.6 * full
