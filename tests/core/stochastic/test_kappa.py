"""The posterior of κ and A against known truth, through the bundle's own doors."""

import math
from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special

from mm.core.settings import IntensitySettings, StochasticSettings, StrategySettings
from mm.core.stochastic.components import StochasticComponents
from mm.core.stochastic.intensity import digamma
from mm.model.events import Fill, Trade, Trades
from mm.model.units import NS_PER_S, Ns, Side
from tests.shapes import some_fill

START = 1_700_000_000 * NS_PER_S
FAIR = 10_000.0  # one price unit is one basis point
TOUCH = 1.0
SIDES = (Side.BID, Side.ASK)


def bundle(kappa_prior: float | None = 0.3, half_life_h: float = 24.0) -> StochasticComponents:
    intensity = IntensitySettings(kappa_prior=kappa_prior, half_life_h=half_life_h)
    return StochasticComponents(StochasticSettings(intensity=intensity), StrategySettings())


def fill(side: Side, venue_ts: Ns, price: float, trade_id: int, quote: bool = True) -> Fill:
    at, ids = Decimal(repr(price)), {"trade_id": trade_id, "oid": trade_id, "cloid": f"c{trade_id}"}
    ts, size = venue_ts + 50_000_000, Decimal("0.1")
    return some_fill(ts=ts, venue_ts=venue_ts, side=side, price=at, size=size, quote=quote, **ids)


class PoissonMarket:
    """S stands still; takers come at rate A a side, their reach is Exp(κ); we rest a ladder.

    An arrival fills every level up to its reach, deepest last, each a fill of its own. With
    `public` the foreign book's prints come too, those of our fills under the same trade ids.
    """

    def __init__(
        self, components: StochasticComponents, kappa: float, arrival: float, seed: int
    ) -> None:
        self.components = components
        self.kappa, self.arrival, self.random = kappa, arrival, Random(seed)
        self.public = True
        self.ts = START
        self.trade_id = 0
        self.arrivals = 0
        self.depths: list[float] = []
        components.learn_fair(self.ts, self.ts, FAIR, TOUCH)

    def quote(self, first: float, spacing: float, levels: int = 5) -> None:
        self.depths = [first + i * spacing for i in range(levels)]
        for side in SIDES:
            prices = tuple(FAIR - side * d for d in self.depths)
            self.components.learn_levels(self.ts, self.ts, side, prices)

    def run(self, seconds: float) -> None:
        """Takers of one quote interval, then the Tick that ends it."""
        end = self.ts + round(seconds * NS_PER_S)
        at = self.ts + self._wait()
        while at < end:
            self._taker(at)
            at += self._wait()
        self.ts = end
        self.components.flush(end)

    def _taker(self, at: Ns) -> None:
        reach = self.random.expovariate(self.kappa)
        side = self.random.choice(SIDES)
        taken = [d for d in self.depths if d <= reach]
        self.arrivals += bool(taken)
        ours = []
        for depth in taken:
            self.trade_id += 1
            ours.append((FAIR - side * depth, self.trade_id))
            self.components.learn_fill(fill(side, at, FAIR - side * depth, self.trade_id))
        if self.public:
            self._print(side, at, reach, ours)

    def _print(self, side: Side, at: Ns, reach: float, ours: list[tuple[float, int]]) -> None:
        """The foreign book has a level each half 1/κ from the touch on."""
        book = tuple((FAIR - side * (TOUCH + i * 0.5 / self.kappa), 1.0) for i in range(40))
        theirs = [(p, -at - i) for i, (p, _) in enumerate(book) if side * (FAIR - p) <= reach]
        prints = tuple(Trade(at, p, 1.0, side.opposite, n) for p, n in [*ours, *theirs])
        if prints:
            bids, asks = (book, ()) if side is Side.BID else ((), book)
            self.components.learn_trades(Trades(at + 60_000_000, prints), bids, asks)

    def _wait(self) -> int:
        return max(round(self.random.expovariate(2.0 * self.arrival) * NS_PER_S), 1)

    def until(self, arrivals: int) -> StochasticComponents:
        """Quotes follow the estimate, hungry at first, as the daemon's do."""
        while self.arrivals < arrivals:
            known = self.components.intensity.posterior
            assert known is not None
            width = 0.3 + 0.7 * min(1.0, self.arrivals / 50)
            self.quote(width / known.kappa_value, 0.25 / known.kappa_value)
            self.run(4.0 / self.arrival)
        self.run(2.0)
        return self.components


# -- known truth ----------------------------------------------------------------------------------


CELLS = [(0.05, 0.005), (0.15, 0.5), (0.3, 0.05), (0.9, 0.5)]
RUNS = 60


def test_ninety_per_cent_intervals_cover_the_truth_from_a_prior_three_times_off() -> None:
    """At 100 arrivals, pooled over cells 86-95 % (240 runs: s.e. 2 %), bias below 10 %."""
    hits_kappa = hits_arrival = 0
    bias_kappa, bias_arrival = [], []
    for cell, (kappa, arrival) in enumerate(CELLS):
        for run in range(RUNS):
            prior = kappa * (3.0 if run % 2 else 1.0 / 3.0)
            market = PoissonMarket(bundle(prior), kappa, arrival, 1000 * cell + run)
            market.public = run % 4 < 2
            known = market.until(100).intensity.posterior
            assert known is not None
            low, high = known.arrival_quantiles(0.05, 0.95)
            hits_kappa += known.kappa_quantile(0.05) <= kappa <= known.kappa_quantile(0.95)
            hits_arrival += low <= arrival <= high
            bias_kappa.append(known.kappa_value / kappa - 1.0)
            bias_arrival.append(known.arrival_value / arrival - 1.0)
    runs = len(CELLS) * RUNS
    assert 0.86 <= hits_kappa / runs <= 0.95
    assert 0.86 <= hits_arrival / runs <= 0.95
    assert abs(math.fsum(bias_kappa) / runs) < 0.05
    assert abs(math.fsum(bias_arrival) / runs) < 0.05


def test_posterior_is_the_likelihood_times_the_prior() -> None:
    """Independent check: the unsimplified likelihood on a fine (ln κ, ln A) lattice."""
    components = bundle(0.2)
    start = START
    components.learn_fair(start, start, FAIR, TOUCH)
    components.learn_levels(start, start, Side.BID, (9997.0, 9994.0, 9991.0))
    components.learn_levels(start, start, Side.ASK, (10002.0,))
    shots = [(Side.BID, 10, 9997.0), (Side.BID, 20, 9994.0), (Side.ASK, 30, 10002.0)]
    for n, (side, after, price) in enumerate(shots):
        components.learn_fill(fill(side, start + after * NS_PER_S, price, n))
    end = start + 100 * NS_PER_S
    components.flush(end)

    x = np.linspace(math.log(0.2) - 4.0, math.log(0.2) + 4.0, 801)[:, None]
    y = np.linspace(-14.0, 4.0, 1801)[None, :]
    kappa, arrival = np.exp(x), np.exp(y)
    reached = np.exp(-3 * kappa) - np.exp(-6 * kappa)
    reached = reached * (np.exp(-6 * kappa) - np.exp(-9 * kappa)) * np.exp(-2 * kappa)
    exposed = 100.0 * (np.exp(-3 * kappa) + np.exp(-2 * kappa))
    # Gamma(0.5, b0) prior of A with the Jacobian of ln A: exponent 0.5
    b0 = 0.5 / IntensitySettings().arrival_prior_per_s
    log_p = -0.5 * (x - math.log(0.2)) ** 2 + 0.5 * y - b0 * arrival
    log_p = log_p + np.log(reached) + 3 * y - arrival * exposed
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = float((p * x).sum())
    sd = math.sqrt(float((p * (x - mean) ** 2).sum()))
    mean_arrival = float((p * arrival).sum())
    cdf = np.cumsum(p.sum(axis=1))
    low = math.exp(float(np.interp(0.05, cdf, x[:, 0])))
    cdf_arrival = np.cumsum(p.sum(axis=0))
    high_arrival = math.exp(float(np.interp(0.95, cdf_arrival, y[0])))

    known = components.intensity.posterior
    assert known is not None
    assert known.mean_log == pytest.approx(mean, abs=0.005)
    assert known.sd_log == pytest.approx(sd, rel=0.01)
    assert known.kappa_quantile(0.05) == pytest.approx(low, rel=0.02)
    assert known.expected_rate(0.0) == pytest.approx(mean_arrival, rel=0.01)
    assert known.arrival_quantiles(0.95)[0] == pytest.approx(high_arrival, rel=0.03)
    at_3_bps = arrival * np.exp(-3.0 * kappa)
    assert known.expected_rate(3.0) == pytest.approx(float((p * at_3_bps).sum()), rel=0.01)
    for probability, found in zip((0.05, 0.95), known.rate_quantiles(3.0, 0.05, 0.95), strict=True):
        assert float(p[at_3_bps <= found].sum()) == pytest.approx(probability, abs=0.01)


def test_a_narrow_posterior_is_resolved_inside_its_cells() -> None:
    """3,000 arrivals: sd(ln κ) is a third of a cell and still honest."""
    errors = []
    for seed in range(8):
        market = PoissonMarket(bundle(0.3), 0.3, 0.5, seed)
        market.public = False
        known = market.until(3000).intensity.posterior
        assert known is not None
        assert 0.01 < known.sd_log < 0.03
        errors.append((known.mean_log - math.log(0.3)) / known.sd_log)
    assert max(abs(e) for e in errors) < 3.5
    assert 0.3 < math.sqrt(math.fsum(e * e for e in errors) / len(errors)) < 1.8


def test_one_depth_alone_does_not_identify_kappa() -> None:
    """Without a spread of depths sd(ln κ) stays wide, whatever the number of fills."""
    components = bundle(0.3)
    market = PoissonMarket(components, 0.3, 0.5, 1)
    market.public = False
    market.quote(4.0, 1.0, levels=1)
    for _ in range(200):
        market.run(10.0)
    assert market.arrivals > 300
    assert components.intensity.confidence < 0.5


# -- evidence -------------------------------------------------------------------------------------


def quoting(kappa_prior: float | None = 0.3) -> StochasticComponents:
    """Two levels a side at 3 and 6 bps, one second old."""
    components = bundle(kappa_prior)
    components.learn_fair(START, START, FAIR, TOUCH)
    for side in SIDES:
        components.learn_levels(START, START, side, (FAIR - side * 3.0, FAIR - side * 6.0))
    components.flush(START + NS_PER_S)
    return components


def point(components: StochasticComponents) -> tuple[float, float]:
    known = components.intensity.posterior
    assert known is not None
    return known.kappa_value, known.arrival_value


def test_silence_is_evidence_that_the_rate_is_small() -> None:
    components = quoting()
    before = point(components)[1]
    components.flush(START + 600 * NS_PER_S)
    assert point(components)[1] < before / 20
    assert components.intensity.confidence == 0.0


def test_without_orders_there_is_nothing_to_learn_from_silence() -> None:
    components = bundle()
    components.learn_fair(START, START, FAIR, TOUCH)
    components.flush(START + NS_PER_S)
    before = point(components)
    components.flush(START + 6000 * NS_PER_S)
    assert point(components) == pytest.approx(before)


def test_exposure_stops_while_the_fair_price_is_unknown() -> None:
    components = quoting()
    components.learn_fair(START + NS_PER_S, START + NS_PER_S, None, 0.0)
    components.flush(START + 2 * NS_PER_S)
    before = point(components)
    components.flush(START + 900 * NS_PER_S)
    assert point(components) == pytest.approx(before, rel=0.01)


def test_exposure_follows_the_closest_order_between_ticks() -> None:
    """Ten seconds at 1 bps weigh more than ten at 20 bps; what counts is when it moved."""

    def after(first: float, then: float) -> float:
        components = bundle()
        components.learn_fair(START, START, FAIR, TOUCH)
        components.learn_levels(START, START, Side.BID, (FAIR - first,))
        middle = START + 90 * NS_PER_S
        components.learn_levels(middle, middle, Side.BID, (FAIR - then,))
        components.flush(START + 100 * NS_PER_S)
        return point(components)[1]

    assert after(1.0, 20.0) < 0.7 * after(20.0, 1.0)


def test_all_fills_of_one_sweep_are_one_arrival() -> None:
    components = quoting()
    at = START + 2 * NS_PER_S
    for n, price in enumerate((9997.0, 9997.0, 9994.0)):
        components.learn_fill(fill(Side.BID, at, price, n))
    components.learn_levels(at, at, Side.BID, ())
    components.flush(at + 2 * NS_PER_S)
    assert components.intensity.total == 1
    components.learn_fill(fill(Side.BID, at, 9994.0, 9))  # late, of the same order
    components.flush(at + 5 * NS_PER_S)
    assert components.intensity.total == 1
    components.learn_fill(fill(Side.ASK, at, 10003.0, 10))
    components.flush(at + 9 * NS_PER_S)
    assert components.intensity.total == 2


def test_a_sweep_through_both_levels_says_more_reach_than_one_that_stopped() -> None:
    def kappa_after(prices: tuple[float, ...]) -> float:
        components = quoting()
        at = START + 2 * NS_PER_S
        for n, price in enumerate(prices):
            components.learn_fill(fill(Side.BID, at, price, n))
        components.flush(at + 2 * NS_PER_S)
        return point(components)[0]

    assert kappa_after((9997.0, 9994.0)) < 0.9 * kappa_after((9997.0,))


def test_a_fill_is_measured_against_s_before_its_own_venue_time_whatever_came_first() -> None:
    """The book of the same venue time, moved by the taker, does not hide how deep we were."""
    one, other = quoting(), quoting()
    at = START + 2 * NS_PER_S
    one.learn_fill(fill(Side.BID, at, 9994.0, 1))
    one.learn_fair(at + 1, at, FAIR - 5.0, TOUCH)
    other.learn_fair(at + 1, at, FAIR - 5.0, TOUCH)
    other.learn_fill(fill(Side.BID, at, 9994.0, 1))
    for components in (one, other):
        components.flush(at + 2 * NS_PER_S)
    assert one.checkpoint() == other.checkpoint()
    still = quoting()
    still.learn_fill(fill(Side.BID, at, 9994.0, 1))
    still.flush(at + 2 * NS_PER_S)
    assert one.intensity.state().own.reach == still.intensity.state().own.reach


def test_a_fill_from_before_our_history_is_no_arrival() -> None:
    components = quoting()
    components.learn_fill(fill(Side.BID, START - NS_PER_S, 9997.0, 1))
    components.flush(START + 5 * NS_PER_S)
    assert components.intensity.total == 0


def test_taker_and_foreign_fills_teach_nothing() -> None:
    components = quoting()
    components.learn_fill(fill(Side.BID, START + NS_PER_S, 9997.0, 1, quote=False))
    components.flush(START + 40 * NS_PER_S)
    assert components.intensity.total == 0
    assert components.adverse.measured == 0
    assert components.calibration.fill_count() == 0


def test_evidence_fades_by_its_half_life() -> None:
    components = bundle(0.3, half_life_h=2.0)
    market = PoissonMarket(components, 0.3, 0.5, 3)
    market.until(50)
    had = components.intensity.own_arrivals
    for side in SIDES:
        components.learn_levels(market.ts, market.ts, side, ())
    components.flush(market.ts + 7200 * NS_PER_S)
    assert components.intensity.own_arrivals == pytest.approx(had / 2, rel=0.01)


# -- public trades --------------------------------------------------------------------------------


def sweep(at: Ns, side: Side, depths: tuple[float, ...], first_id: int) -> Trades:
    trades = tuple(
        Trade(at, FAIR - side * d, 1.0, side.opposite, first_id + i) for i, d in enumerate(depths)
    )
    return Trades(at + 60_000_000, trades)


BOOK_BIDS = tuple((FAIR - TOUCH - i, 1.0) for i in range(20))
BOOK_ASKS = tuple((FAIR + TOUCH + i, 1.0) for i in range(20))


def watched(sweeps: int, depths: tuple[float, ...]) -> StochasticComponents:
    """No orders of ours; one public sweep a second."""
    components = bundle(0.3)
    components.learn_fair(START, START, FAIR, TOUCH)
    for n in range(sweeps):
        at = START + n * NS_PER_S
        side = Side.BID if n % 2 else Side.ASK
        components.learn_trades(sweep(at + 1, side, depths, 100 * n), BOOK_BIDS, BOOK_ASKS)
        components.flush(at + NS_PER_S)
    components.flush(START + (sweeps + 3) * NS_PER_S)
    return components


def test_public_trades_move_the_prior_but_never_make_confidence() -> None:
    shallow, deep = watched(400, (1.0,)), watched(400, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    assert point(shallow)[0] > 1.3 * point(deep)[0]
    assert shallow.intensity.confidence == deep.intensity.confidence == 0.0
    for _ in range(3):
        deep.update_calibration_status(START)
    assert deep.calibration.calibration_progress() == 0.0
    assert not deep.calibration.is_calibrated()


def test_public_trades_never_weigh_more_than_eight_arrivals() -> None:
    many = watched(3000, (1.0,)).intensity.posterior
    assert many is not None
    assert many.shape <= 0.5 + 8.0 + 1e-9


def test_an_order_that_filled_us_is_no_public_evidence() -> None:
    def after(trade_id: int) -> float:
        components = quoting()
        for n in range(3):  # the first print only starts the public clock
            at = START + (2 + 3 * n) * NS_PER_S
            components.learn_trades(sweep(at, Side.ASK, (1.0,), n), BOOK_BIDS, BOOK_ASKS)
            components.flush(at + 2 * NS_PER_S)
        at = START + 20 * NS_PER_S
        components.learn_trades(sweep(at, Side.BID, (1.0, 3.0), 700), BOOK_BIDS, BOOK_ASKS)
        components.learn_fill(fill(Side.BID, at, 9997.0, trade_id))
        components.flush(at + 2 * NS_PER_S)
        return components.intensity.state().public.arrivals

    assert after(701) == pytest.approx(after(999) - 1.0, abs=0.01)


def test_a_missing_feed_of_trades_is_not_silence() -> None:
    """Until the first print, hours without prints leave the prior where it was."""
    components = bundle()
    components.learn_fair(START, START, FAIR, TOUCH)
    components.flush(START + NS_PER_S)
    before = point(components)
    for hour in range(1, 4):
        components.flush(START + hour * 3600 * NS_PER_S)
    assert point(components) == before


# -- the prior ------------------------------------------------------------------------------------


def centre(components: StochasticComponents) -> float:
    return components.intensity.state().centre or math.nan


def test_prior_centre_is_the_inverse_of_twice_the_median_touch() -> None:
    components = bundle(None)
    assert components.intensity.posterior is None
    for n in range(61):
        at = START + n * NS_PER_S
        components.learn_fair(at, at, FAIR + n % 2, 40.0 if n < 10 else 2.0)
        components.flush(at)
    assert centre(components) == pytest.approx(0.25)
    known = components.intensity.posterior
    assert known is not None
    assert known.kappa_value == pytest.approx(0.25, rel=0.02)
    for n in range(61, 200):  # settled: the touch moves the centre no more
        at = START + n * NS_PER_S
        components.learn_fair(at, at, FAIR + n % 2, 10.0)
        components.flush(at)
    assert centre(components) == pytest.approx(0.25)


@pytest.mark.parametrize(("touch", "expected"), [(0.0, 5.0), (1e9, 0.005)])
def test_a_degenerate_touch_leaves_a_bounded_prior(touch: float, expected: float) -> None:
    components = bundle(None)
    components.learn_fair(START, START, FAIR, touch)
    components.flush(START)
    assert centre(components) == expected
    assert all(math.isfinite(v) and v > 0 for v in point(components))


def test_evidence_is_carried_over_when_the_prior_settles() -> None:
    """An arrival learned on the first grid counts on the last."""
    components = bundle(None)
    components.learn_fair(START, START, FAIR, 4.0)
    components.learn_levels(START, START, Side.BID, (9997.0, 9994.0))
    components.flush(START)
    components.learn_fill(fill(Side.BID, START + NS_PER_S, 9997.0, 1))
    for n in range(1, 70):
        at = START + n * NS_PER_S
        components.learn_fair(at, at, FAIR, 1.0)
        components.flush(at)
    fixed = bundle(0.5)
    fixed.learn_fair(START, START, FAIR, 4.0)
    fixed.learn_levels(START, START, Side.BID, (9997.0, 9994.0))
    fixed.flush(START)
    fixed.learn_fill(fill(Side.BID, START + NS_PER_S, 9997.0, 1))
    for n in range(1, 70):
        fixed.flush(START + n * NS_PER_S)
    assert point(components) == pytest.approx(point(fixed), rel=0.02)


# -- batches and hostile input --------------------------------------------------------------------


Print = tuple[int, bool, int]


@settings(max_examples=60, deadline=None)
@given(
    prints=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 19)), max_size=30),
    cuts=st.sets(st.integers(1, 29), max_size=6),
)
def test_splitting_a_batch_of_trades_changes_nothing(prints: list[Print], cuts: set[int]) -> None:
    trades = tuple(
        Trade(START + t, (BOOK_BIDS if bid else BOOK_ASKS)[level][0], 1.0, side, n)
        for n, (t, bid, level) in enumerate(prints)
        for side in [Side.ASK if bid else Side.BID]
    )
    whole, split = quoting(), quoting()
    at = START + 3 * NS_PER_S
    edges = [0, *sorted(c for c in cuts if c < len(trades)), len(trades)]
    whole.learn_trades(Trades(at, trades), BOOK_BIDS, BOOK_ASKS)
    for first, last in pairwise(edges):
        split.learn_trades(Trades(at, trades[first:last]), BOOK_BIDS, BOOK_ASKS)
    for components in (whole, split):
        components.flush(at + NS_PER_S)
        components.flush(at + 5 * NS_PER_S)
    assert whole.checkpoint() == split.checkpoint()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(-2 * NS_PER_S, 20 * NS_PER_S),
            st.floats(1e-3, 1e7),
            st.floats(0.0, 1e4),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=40,
    )
)
@example(steps=[(0, 1.0, 0.0, 3), (-1, 1.0, 0.0, 0), (1_060_000_001, 1.0, 0.0, 3)])
def test_whatever_comes_the_estimates_stay_finite_and_positive(
    steps: list[tuple[int, float, float, int]],
) -> None:
    """Clocks that jump back, prices that jump anywhere, fills far from every level."""
    components, ts = bundle(None), START
    for n, (wait, price, touch, kind) in enumerate(steps):
        ts += wait
        if kind == 0:
            components.learn_fair(ts, ts, price, touch)
        elif kind == 1:
            components.learn_levels(ts, ts, Side.BID, (price, price * 0.999))
        elif kind == 2:
            components.learn_fill(fill(Side.BID, ts, price, n))
        else:
            components.learn_trades(sweep(ts, Side.ASK, (touch,), 10 * n), BOOK_BIDS, BOOK_ASKS)
        components.flush(ts)
    components.flush(ts + 60 * NS_PER_S)
    known = components.intensity.estimates(ts)
    if known is not None:
        for estimate in known:
            assert 0 < estimate.value < math.inf
            assert 0 <= estimate.low <= estimate.high < math.inf
        assert 0.0 <= components.intensity.confidence <= 1.0
        assert components.intensity.posterior is not None
        assert components.intensity.posterior.sd_log > 0.0


@pytest.mark.parametrize("a", [0.5, 0.51, 1.0, 2.3, 5.9, 6.0, 7.0, 100.0, 1e5])
def test_digamma(a: float) -> None:
    assert digamma(a) == pytest.approx(float(special.digamma(a)), abs=1e-8)
