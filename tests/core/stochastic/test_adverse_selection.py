"""Signed markouts: nothing where there is nothing, the truth where flow is informed."""

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.settings import AdverseSettings
from mm.core.stochastic.adverse_selection import (
    AdverseSelection,
    Markout,
    MeanState,
    SignedMean,
)
from mm.core.stochastic.timeline import Timeline
from mm.model.estimate import Source
from mm.model.units import NS_PER_S, Ns, Side

START = 1_700_000_000 * NS_PER_S
SIDES = (Side.BID, Side.ASK)
SIGMA = 1.0


class Flow:
    """S diffuses in 0.5 s steps; arrivals are Poisson; after each, S drifts `informed_bps`
    against us within two seconds."""

    def __init__(self, seed: int, informed_bps: float = 0.0, rate: float = 0.25) -> None:
        self.random = Random(seed)
        self.adverse = AdverseSelection(AdverseSettings())
        self.fairs: Timeline[float | None] = Timeline()
        self.informed_bps, self.rate = informed_bps, rate
        self.ts, self.price = START, 100.0
        self.due: list[tuple[Ns, float]] = []
        self.next = dict.fromkeys(SIDES, START + NS_PER_S)

    def run(self, seconds: float) -> "Flow":
        step = NS_PER_S // 2
        for _ in range(round(2 * seconds)):
            self.ts += step
            moves = [bps for at, bps in self.due if at <= self.ts]
            self.due = [(at, bps) for at, bps in self.due if at > self.ts]
            bps = math.fsum(moves) + SIGMA * math.sqrt(0.5) * self.random.gauss(0.0, 1.0)
            self.price *= 1.0 + 1e-4 * bps
            self.fairs.put(self.ts, self.price)
            for side in SIDES:
                while self.next[side] < self.ts + step:
                    self._arrive(side)
            self.adverse.flush(self.ts, self.fairs)
        return self

    def _arrive(self, side: Side) -> None:
        at = self.next[side]
        self.adverse.learn(side, at, at + 1)
        self.due.append((at + 2 * NS_PER_S, -side * self.informed_bps))
        self.next[side] = at + round(self.random.expovariate(self.rate) * NS_PER_S) + 1

    def low_high(self, side: Side) -> tuple[float, float]:
        estimate = self.adverse.estimate(side, 5.0, SIGMA, self.ts)
        return estimate.low, estimate.high


def test_ninety_per_cent_intervals_cover_the_truth() -> None:
    """About 100 arrivals a side. The other arrivals' drift inside a 5 s window cancels in the mean,
    for the sides are alike; at 0.25/s most windows overlap."""
    runs, shares = 70, []
    for informed_bps, rate in [(0.0, 0.05), (0.0, 0.25), (1.5, 0.05), (1.5, 0.25)]:
        hits = 0
        for seed in range(runs):
            flow = Flow(seed, informed_bps, rate).run(100.0 / rate)
            for side in SIDES:
                low, high = flow.low_high(side)
                hits += low <= informed_bps <= high
        shares.append(hits / (2 * runs))
    assert all(0.82 <= share <= 0.98 for share in shares)
    assert 0.86 <= math.fsum(shares) / len(shares) <= 0.94


def test_null_flow_gives_zero_within_two_standard_errors() -> None:
    flow = Flow(3).run(4000.0)
    for side in SIDES:
        estimate = flow.adverse.estimate(side, 5.0, SIGMA, flow.ts)
        se = (estimate.high - estimate.low) / 2 / 1.645
        assert abs(estimate.value) < 2 * se
        assert se < 0.25
        assert estimate.source is Source.OWN


def one_fill(side: Side, moves: dict[float, float]) -> tuple[Markout, ...]:
    """A fill at START + 1 s, S 100 just before, then 100·(1 + bps) at the given seconds after."""
    adverse = AdverseSelection(AdverseSettings())
    fairs: Timeline[float | None] = Timeline()
    at = START + NS_PER_S
    fairs.put(START, 100.0)
    fairs.put(at, 100.0 * (1.0 + 1e-4 * moves.get(0.0, 0.0)))
    adverse.learn(side, at, at + 1)
    for after, bps in moves.items():
        fairs.put(at + round(after * NS_PER_S), 100.0 * (1.0 + 1e-4 * bps))
    return adverse.flush(at + 60 * NS_PER_S, fairs)


@pytest.mark.parametrize("side", SIDES)
def test_buy_then_drop_is_a_cost_and_sell_then_drop_a_gain(side: Side) -> None:
    found = one_fill(side, {0.5: -3.0, 4.0: -7.0, 20.0: -11.0})
    assert [m.horizon_s for m in found] == [1.0, 5.0, 30.0]
    assert [m.bps for m in found] == pytest.approx([side * b for b in (3.0, 7.0, 11.0)])


def test_the_reference_is_s_strictly_before_the_fill() -> None:
    """The taker's own move, in the book of the same venue time, is part of the cost."""
    (first, *_) = one_fill(Side.BID, {0.0: -4.0})
    assert first.reference == 100.0
    assert first.bps == pytest.approx(4.0)


def test_spread_minus_markout_minus_fee_is_the_marked_profit() -> None:
    random = Random(1)
    total = reconciled = 0.0
    for _ in range(200):
        side = random.choice(SIDES)
        reference, mark = random.uniform(90, 110), random.uniform(90, 110)
        price, size, fee = random.uniform(90, 110), random.uniform(0.1, 9), random.gauss(0, 1)
        markout = Markout(side, START, 5.0, reference, mark)
        spread = side * (reference - price) * size
        adverse = markout.bps * 1e-4 * reference * size
        profit = side * (mark - price) * size - fee
        assert spread - adverse - fee == pytest.approx(profit, abs=1e-9)
        total += profit
        reconciled += spread - adverse - fee
    assert reconciled == pytest.approx(total, abs=1e-7)


def learned(values: list[float], every_s: float = 60.0) -> tuple[AdverseSelection, Ns]:
    """Arrivals on the bid with these markouts, far apart."""
    adverse = AdverseSelection(AdverseSettings())
    fairs: Timeline[float | None] = Timeline()
    ts = START
    for value in values:
        fairs.put(ts, 100.0)
        adverse.learn(Side.BID, ts + 1, ts + 1)
        fairs.put(ts + 2, 100.0 * (1.0 - 1e-4 * value))
        ts += round(every_s * NS_PER_S)
        adverse.flush(ts, fairs)
    return adverse, ts


def test_few_fills_shrink_to_the_prior_and_many_do_not() -> None:
    few, _ = learned([6.0])
    many, _ = learned([6.0, 5.9, 6.1] * 30)
    assert 0.0 < few.adverse_bps(Side.BID, SIGMA) < 3.1
    assert many.adverse_bps(Side.BID, SIGMA) == pytest.approx(6.0, abs=0.3)
    assert many.adverse_bps(Side.ASK, SIGMA) == 0.0


def test_the_estimate_is_capped() -> None:
    adverse, _ = learned([500.0, 501.0, 499.0] * 40)
    assert adverse.adverse_bps(Side.BID, SIGMA) == AdverseSettings().adverse_max_bps


def test_it_forgets_by_time_so_that_a_high_estimate_cannot_stop_fills_for_ever() -> None:
    adverse, ts = learned([8.0, 7.9, 8.1] * 10)
    before = adverse.adverse_bps(Side.BID, SIGMA)
    empty: Timeline[float | None] = Timeline()
    adverse.flush(ts + 48 * 3600 * NS_PER_S, empty)
    assert before > 7.0
    assert adverse.adverse_bps(Side.BID, SIGMA) < 4.0
    assert adverse.measured == 30


def test_overlapping_windows_are_not_independent() -> None:
    """Ten arrivals within half a second say hardly more than one."""
    adverse = AdverseSelection(AdverseSettings())
    fairs: Timeline[float | None] = Timeline()
    fairs.put(START, 100.0)
    for n in range(10):
        adverse.learn(Side.BID, START + 1 + n * NS_PER_S // 20, START + 1)
    fairs.put(START + NS_PER_S, 100.0 * (1.0 - 6e-4))
    adverse.flush(START + 60 * NS_PER_S, fairs)
    crowd = adverse.estimate(Side.BID, 5.0, SIGMA, START)
    apart, _ = learned([6.0] * 10)
    alone = apart.estimate(Side.BID, 5.0, SIGMA, START)
    assert crowd.high - crowd.low > 2.0 * (alone.high - alone.low)


def test_arrivals_of_one_moment_tell_no_more_than_one() -> None:
    """That ten markouts of half a second agree says nothing of how far markouts scatter."""

    def width(arrivals: int) -> float:
        adverse = AdverseSelection(AdverseSettings())
        fairs: Timeline[float | None] = Timeline()
        fairs.put(START, 100.0)
        for n in range(arrivals):
            adverse.learn(Side.BID, START + 1 + n * NS_PER_S // 20, START + 1)
        adverse.flush(START + 60 * NS_PER_S, fairs)
        estimate = adverse.estimate(Side.BID, 5.0, SIGMA, START)
        return estimate.high - estimate.low

    assert width(10) == pytest.approx(width(1), rel=0.1)


def test_intervals_hold_a_truth_that_stands_still_for_longer_than_is_remembered() -> None:
    """An arrival in a quarter of an hour for a day, four half-lives: n is 34 of 96."""
    random, truth, hits = Random(1), 1.0, 0
    for _ in range(400):
        adverse, ts = learned([random.gauss(truth, math.sqrt(5.0)) for _ in range(96)], 900.0)
        estimate = adverse.estimate(Side.BID, 5.0, SIGMA, ts)
        hits += estimate.low <= truth <= estimate.high
    assert 0.87 <= hits / 400 <= 0.93


@given(st.integers(1, 60), st.floats(1.0, 7200.0))
def test_silence_never_makes_surer_and_ends_at_the_prior(arrivals: int, every_s: float) -> None:
    adverse, ts = learned([2.0] * arrivals, every_s)
    empty: Timeline[float | None] = Timeline()
    widths = []
    for _ in range(40):
        estimate = adverse.estimate(Side.BID, 5.0, SIGMA, ts)
        widths.append(estimate.high - estimate.low)
        ts += 3 * 3600 * NS_PER_S
        adverse.flush(ts, empty)
    assert all(after >= before * (1.0 - 1e-12) for before, after in pairwise(widths))
    assert widths[-1] == pytest.approx(2 * 1.645 * AdverseSettings().prior_sd_bps, rel=0.01)
    assert adverse.adverse_bps(Side.BID, SIGMA) < 0.01


def test_where_s_is_unknown_nothing_is_measured() -> None:
    adverse = AdverseSelection(AdverseSettings())
    fairs: Timeline[float | None] = Timeline()
    adverse.learn(Side.BID, START, START)  # before any S
    fairs.put(START + 10, 100.0)
    adverse.learn(Side.BID, START + 20, START + 20)
    fairs.put(START + 3 * NS_PER_S, None)  # the link went down after two seconds
    found = adverse.flush(START + 60 * NS_PER_S, fairs)
    assert [m.horizon_s for m in found] == [1.0]
    assert adverse.measured == 0


def test_a_checkpoint_keeps_markouts_that_are_still_due() -> None:
    adverse = AdverseSelection(AdverseSettings())
    fairs: Timeline[float | None] = Timeline()
    fairs.put(START, 100.0)
    adverse.learn(Side.ASK, START + 1, START + 1)
    adverse.flush(START + 3 * NS_PER_S, fairs)
    restored = AdverseSelection(AdverseSettings())
    restored.load(adverse.state(), age_s=10.0)
    later: Timeline[float | None] = Timeline()
    later.put(START + 13 * NS_PER_S, 100.1)
    found = restored.flush(START + 60 * NS_PER_S, later)
    assert [(m.horizon_s, m.reference, m.mark) for m in found] == [(30.0, 100.0, 100.1)]


def test_other_horizons_start_afresh_and_rubbish_is_refused() -> None:
    adverse, _ = learned([5.0] * 10)
    state = adverse.state()
    other = AdverseSelection(AdverseSettings(horizons_s=(2.0,), primary_s=2.0))
    other.load(state, 0.0)
    assert other.measured == 0
    with pytest.raises(ValueError, match="markouts"):
        other.load(type(state)((2.0,), -1, (), ()), 0.0)


@pytest.mark.parametrize("field", ["n", "squares", "overlap", "weight_squares"])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, 1e16])
def test_sums_that_no_observations_have_are_refused(field: str, bad: float) -> None:
    adverse, _ = learned([5.0] * 10)
    state = adverse.state()
    means = (structs.replace(state.means[0], **{field: bad}), *state.means[1:])
    with pytest.raises(ValueError, match="markouts"):
        AdverseSelection(AdverseSettings()).load(structs.replace(state, means=means), 0.0)


@pytest.mark.parametrize("field", ["overlap", "weight_squares"])
def test_arrivals_without_weight_are_refused(field: str) -> None:
    mean = SignedMean(5.0, 2.0)
    mean.learn(START, 1.0)
    assert mean.state().within_bounds
    assert not structs.replace(mean.state(), **{field: 0.0}).within_bounds


def test_before_version_3_the_interval_is_as_wide_as_it_was() -> None:
    """v·overlap/n²: five of ten arrivals left, of which each overlapped with half of another."""
    mean = SignedMean(5.0, 2.0)
    mean.load(MeanState(5.0, 10.0, 40.0, 7.5))
    variance = (2.0 * 5.0 + 20.0) / (2.0 + 5.0 - 1.5)
    _, error = mean.posterior(5.0)
    assert error == pytest.approx((1.0 / 4.0 + 25.0 / (variance * 7.5)) ** -0.5)
