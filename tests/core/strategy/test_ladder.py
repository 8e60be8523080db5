"""The ladder: on tick, never crossing, at least as even as asked, never below the minimum."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mm.core.strategy import glft, ladder
from mm.core.strategy.distribution import allocate, entropy, shares
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams
from mm.model.quote import Binding, Ladder, Level, Quote, SideQuote, Term
from mm.model.units import Side, depth_bps

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
DOGE = Instrument(name="DOGE", asset=1, size_decimals=0, price_decimals=6)
RATIO = 0.8

PARAMS = MarketParams(
    ts=0,
    fair=60_000.0,
    sigma=1.0,
    kappa=0.3,
    arrival=0.1,
    gamma=0.05,
    maker_fee_bps=1.5,
    adverse_bid_bps=0.5,
    adverse_ask_bps=0.0,
    min_edge_bps=0.1,
    max_inventory_lots=10,
)


def frame(**changes: object) -> ladder.Frame:
    base = ladder.Frame(
        instrument=BTC,
        lot_size=Decimal("0.01667"),
        room_bid=Decimal(1),
        room_ask=Decimal(1),
        best_bid=59_994.0,
        best_ask=60_006.0,
        levels=5,
        entropy_ratio=RATIO,
        spacing_per_kappa=0.25,
    )
    return replace(base, **changes)


def at(bid: float | None, ask: float | None, skew: float = 0.0) -> Quote:
    """A quote with these depths."""

    def side(which: Side, depth: float | None) -> SideQuote | None:
        if depth is None:
            return None
        return SideQuote(which, depth, (Term("half_spread", depth),), Binding.GLFT)

    return Quote(side(Side.BID, bid), side(Side.ASK, ask), 4.0, skew, "", "")


def prices(levels: tuple[Level, ...]) -> list[Decimal]:
    return [level.price for level in levels]


# -- prices ---------------------------------------------------------------------------------------


def test_levels_step_outward_by_a_quarter_of_one_over_kappa() -> None:
    built = ladder.build(glft.quote(PARAMS, 0.0), PARAMS, frame())
    for side, levels in ((Side.BID, built.bids), (Side.ASK, built.asks)):
        depths = [depth_bps(side, float(level.price), PARAMS.fair) for level in levels]
        steps = [b - a for a, b in pairwise(depths)]
        assert [level.level for level in levels] == [1, 2, 3, 4, 5]
        assert steps == pytest.approx([0.25 / 0.3] * 4, abs=0.4)


def test_prices_round_away_from_the_fair_price() -> None:
    quote = at(3.33, 3.33)
    built = ladder.build(quote, PARAMS, frame(levels=1))
    assert prices(built.bids) == [Decimal(59_980)]  # 59980.02
    assert prices(built.asks) == [Decimal(60_020)]  # 60019.98


def test_a_quote_beyond_the_opposite_touch_is_clamped_one_tick_behind_it() -> None:
    built = ladder.build(at(1.0, 5.0), PARAMS, frame(best_ask=59_990.0))
    assert built.bids[0].price == Decimal(59_989)
    assert len(set(prices(built.bids))) == 5
    mirrored = ladder.build(at(5.0, 1.0), PARAMS, frame(best_bid=60_010.0))
    assert mirrored.asks[0].price == Decimal(60_011)


@pytest.mark.parametrize("opposite", [None, 60_006.0])
def test_no_quote_goes_through_the_fair_price(opposite: float | None) -> None:
    """There λ is A, as at S: nearer only gives edge away."""
    built = ladder.build(at(-30.0, 30.0), PARAMS, frame(best_ask=opposite))
    assert built.bids[0].price == Decimal(60_000)
    assert len(set(prices(built.bids))) == 5


def test_levels_closer_than_a_tick_are_pushed_apart() -> None:
    p = replace(PARAMS, kappa=50.0)
    built = ladder.build(at(0.5, 0.5), p, frame())
    assert len(set(prices(built.bids))) == len(set(prices(built.asks))) == 5


def test_across_a_power_of_ten_the_tick_changes_and_prices_stay_valid() -> None:
    p = replace(PARAMS, fair=1.00005, kappa=0.3)
    built = ladder.build(
        at(0.2, 0.2),
        p,
        frame(
            instrument=DOGE,
            lot_size=Decimal(1000),
            room_bid=Decimal(9999),
            room_ask=Decimal(9999),
            best_bid=0.99998,
            best_ask=1.0002,
        ),
    )
    for level in (*built.bids, *built.asks):
        assert DOGE.is_valid_price(level.price)
    assert len(set(prices(built.bids))) == 5


def test_own_sides_that_would_cross_give_way_on_the_side_that_adds() -> None:
    crossed = frame(best_bid=None, best_ask=None)
    long = ladder.build(at(-5.0, -5.0, skew=2.0), PARAMS, crossed)
    assert (long.bids, long.blocked_bid) == ((), "own bid and ask would cross")
    assert long.asks
    short = ladder.build(at(-5.0, -5.0, skew=-2.0), PARAMS, crossed)
    assert short.bids
    assert short.blocked_ask == "own bid and ask would cross"
    flat = ladder.build(at(-5.0, -5.0), PARAMS, crossed)
    assert flat.bids == flat.asks == ()


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quote", "changes", "reason"),
    [
        (Quote(None, None, 0.0, 0.0, "why not", ""), {}, "why not"),
        (at(None, 3.0), {}, "no quote"),
        (at(math.nan, 3.0), {}, "depth not finite"),
        (at(3.0, 3.0), {"room_bid": Decimal(0)}, "risk limit"),
        (at(3.0, 3.0), {"room_bid": Decimal(-1)}, "risk limit"),
        (at(3.0, 3.0), {"lot_size": Decimal("0.000001")}, "lot below one size step"),
        (at(3.0, 3.0), {"lot_size": Decimal("0.0001")}, "below the venue's minimum notional"),
        (at(1e5, 3.0), {}, "no tick at price -540000.0"),
    ],
)
def test_a_side_that_cannot_be_quoted_says_why(
    quote: Quote, changes: dict[str, object], reason: str
) -> None:
    built = ladder.build(quote, PARAMS, frame(**changes))
    assert built.bids == ()
    assert built.blocked_bid == reason
    assert built.entropy_bid == 0.0


def test_the_deepest_levels_are_left_out_where_no_price_exists() -> None:
    p = replace(PARAMS, kappa=0.25 / 4000.0)
    built = ladder.build(at(3000.0, 3.0), p, frame())
    assert 1 <= len(built.bids) < 5


# -- sizes ----------------------------------------------------------------------------------------


def total(levels: tuple[Level, ...]) -> Decimal:
    return sum((level.size for level in levels), Decimal(0))


def test_a_side_totals_one_lot_inside_the_risk_room() -> None:
    quote = glft.quote(PARAMS, 0.0)
    built = ladder.build(quote, PARAMS, frame(room_ask=Decimal("0.0051234")))
    assert total(built.bids) == Decimal("0.01667")
    assert total(built.asks) == Decimal("0.00512")
    assert built.entropy_ask >= RATIO * math.log(len(built.asks))


def test_fewer_levels_rather_than_smaller_orders() -> None:
    """Ten dollars a level at least: 35 dollars make three levels, 15 make one."""
    quote = glft.quote(PARAMS, 0.0)
    for dollars, levels in ((1000, 5), (51, 5), (35, 3), (15, 1)):
        lot = Decimal(dollars) / 60_000
        built = ladder.build(quote, PARAMS, frame(lot_size=lot))
        assert len(built.bids) == levels
        for level in built.bids:
            assert level.size * level.price >= 10


def test_the_better_level_gets_more() -> None:
    built = ladder.build(glft.quote(PARAMS, 0.0), PARAMS, frame())
    edge = [
        math.exp(-0.3 * d) * (d - 2.0)
        for d in (depth_bps(Side.BID, float(level.price), 60_000.0) for level in built.bids)
    ]
    ranked = sorted(range(5), key=lambda i: -edge[i])
    sizes = [built.bids[i].size for i in ranked]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[-1]


def test_sizes_do_not_dance_with_every_move_of_the_fair_price() -> None:
    """Sizes follow from the parameters alone, not from how far each price was rounded."""
    quote, seen = at(3.0, 3.0), set()
    for n in range(40):
        p = replace(PARAMS, fair=60_000.0 + 0.37 * n)
        built = ladder.build(quote, p, frame())
        seen.add(tuple(level.size for level in built.bids))
    assert len(seen) == 1


def test_entropy_is_that_of_the_sizes_that_are_sent() -> None:
    built = ladder.build(glft.quote(PARAMS, 2.0), PARAMS, frame(lot_size=Decimal("0.0013")))
    p = [float(level.size) / float(total(built.asks)) for level in built.asks]
    assert built.entropy_ask == pytest.approx(-math.fsum(x * math.log(x) for x in p))


@settings(max_examples=200, deadline=None)
@given(
    q=st.floats(-11, 11),
    kappa=st.floats(0.02, 5.0),
    lot=st.decimals("0.0002", "0.5", places=6),
    room=st.decimals("0", "0.5", places=6),
    levels=st.integers(1, 8),
    ratio=st.floats(0.05, 0.97),
)
def test_whatever_the_inputs_orders_are_valid(
    q: float, kappa: float, lot: Decimal, room: Decimal, levels: int, ratio: float
) -> None:
    p = replace(PARAMS, kappa=kappa)
    limits = frame(lot_size=lot, room_bid=room, levels=levels, entropy_ratio=ratio)
    built = ladder.build(glft.quote(p, q), p, limits)
    assert built == ladder.build(glft.quote(p, q), p, limits)
    for side in (Side.BID, Side.ASK):
        check_side(built, side, limits)
    if built.bids and built.asks:
        assert built.bids[0].price < built.asks[0].price


def check_side(built: Ladder, side: Side, limits: ladder.Frame) -> None:
    levels = built.bids if side is Side.BID else built.asks
    blocked = built.blocked_bid if side is Side.BID else built.blocked_ask
    measured = built.entropy_bid if side is Side.BID else built.entropy_ask
    assert bool(levels) != bool(blocked)
    assert total(levels) <= min(limits.lot_size, limits.room_bid if side > 0 else Decimal(1))
    for inner, outer in pairwise(levels):
        assert side * (inner.price - outer.price) > 0
    for level in levels:
        assert BTC.is_valid_price(level.price)
        assert BTC.is_valid_size(level.size)
        assert level.price * level.size >= BTC.min_notional
        touch = Decimal(60_006) if side is Side.BID else Decimal(59_994)
        assert side * (touch - level.price) > 0
    if levels:
        even = max(level.size for level in levels) - min(level.size for level in levels)
        wanted = limits.entropy_ratio * math.log(len(levels))
        assert measured >= wanted - 1e-8 or even <= 2 * BTC.size_step


# -- the distribution -----------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    utilities=st.lists(st.floats(-5, 5), min_size=2, max_size=9, unique=True),
    ratio=st.floats(0.05, 0.98),
)
def test_shares_have_the_entropy_asked_for_and_the_order_of_utility(
    utilities: list[float], ratio: float
) -> None:
    p = shares(utilities, ratio)
    assert math.fsum(p) == pytest.approx(1.0)
    ranked = [x for _, x in sorted(zip(utilities, p, strict=True))]
    assert ranked == sorted(ranked)
    target = ratio * math.log(len(p))
    best = max(utilities) - sorted(utilities)[-2]
    if best > 1e-3 * (max(utilities) - min(utilities)):  # near-ties at the top keep H above
        assert entropy(p) == pytest.approx(target, abs=2e-6)
    else:
        assert entropy(p) >= target - 2e-6


def test_equal_utilities_and_single_levels_share_equally() -> None:
    assert shares([2.0, 2.0, 2.0], 0.8) == [1 / 3] * 3
    assert shares([7.0], 0.8) == [1.0]
    assert entropy([]) == 0.0
    assert entropy([3.0]) == 0.0


def test_ties_at_the_top_keep_their_entropy() -> None:
    p = shares([1.0, 1.0, 1.0, 1.0, 0.0], 0.1)
    assert p == pytest.approx([0.25] * 4 + [0.0], abs=1e-6)


@settings(max_examples=300)
@given(
    weights=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8),
    extra=st.integers(0, 500),
    minimum=st.integers(1, 9),
    ratio=st.floats(0.05, 0.95),
)
def test_allocation_is_whole_complete_and_above_the_minimum(
    weights: list[float], extra: int, minimum: int, ratio: float
) -> None:
    n = len(weights)
    scale = math.fsum(weights)
    wanted = [w / scale for w in weights] if scale > 0 else [1 / n] * n
    steps = n * minimum + extra
    sizes = allocate(wanted, steps, [minimum] * n, ratio)
    assert sum(sizes) == steps
    assert min(sizes) >= minimum
    assert entropy(sizes) >= ratio * math.log(n) - 1e-8 or max(sizes) - min(sizes) <= 1


def test_largest_remainders_get_the_spare_steps() -> None:
    assert allocate([0.5, 0.3, 0.2], 7, [1, 1, 1], 0.5) == [4, 2, 1]
    assert allocate([0.9, 0.05, 0.05], 10, [2, 2, 2], 0.1) == [6, 2, 2]
    assert allocate([0.0, 0.0], 3, [1, 1], 0.1) == [2, 1]
