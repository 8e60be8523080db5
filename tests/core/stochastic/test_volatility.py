"""σ of a known diffusion, whatever the rate of updates, and with jumps."""

import math
from random import Random

import pytest
from msgspec import structs
from scipy.stats import chi2

from mm.core.settings import VolatilitySettings
from mm.core.stochastic.volatility import BIPOWER_VARIANCE, Volatility
from mm.model.estimate import Source
from mm.model.units import NS_PER_S

SIGMA = 2.0
START = 1_700_000_000 * NS_PER_S


def diffused(
    rate: float, duration_s: float, seed: int, jump_bps: float = 0.0, jump_every_s: float = 600.0
) -> tuple[Volatility, int]:
    """Updates at Poisson times; jumps of either sign at Poisson times, on the same noise."""
    noise, jumps = Random(seed), Random(f"{seed} jumps")
    volatility = Volatility(VolatilitySettings())
    elapsed, log_price = 0.0, math.log(100.0)
    next_jump = jumps.expovariate(1.0 / jump_every_s)
    while elapsed < duration_s:
        wait = noise.expovariate(rate)
        elapsed += wait
        log_price += 1e-4 * SIGMA * math.sqrt(wait) * noise.gauss(0.0, 1.0)
        while next_jump < elapsed:
            log_price += 1e-4 * jump_bps * jumps.choice((-1, 1))
            next_jump += jumps.expovariate(1.0 / jump_every_s)
        volatility.learn(START + round(elapsed * NS_PER_S), math.exp(log_price))
    return volatility, START + round(elapsed * NS_PER_S)


def mean_sigma(rate: float, runs: int, duration_s: float, jump_bps: float = 0.0) -> float:
    values = []
    for seed in range(runs):
        volatility, ts = diffused(rate, duration_s, seed, jump_bps)
        estimate = volatility.estimate(ts)
        assert estimate is not None
        values.append(estimate.value)
    return math.fsum(values) / runs


@pytest.mark.parametrize(("rate", "runs"), [(0.1, 60), (1.0, 30), (50.0, 6)])
def test_known_diffusion_within_ten_per_cent_at_any_rate_of_updates(rate: float, runs: int) -> None:
    assert mean_sigma(rate, runs, 3600.0) == pytest.approx(SIGMA, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "runs", "most"), [(0.1, 60, 0.20), (1.0, 30, 0.10), (50.0, 6, 0.10)]
)
def test_jumps_hardly_move_it(rate: float, runs: int, most: float) -> None:
    """40 bps each ten minutes; realised variance would say 8 bps/√s² too much: σ 3.3, not 2."""
    without = mean_sigma(rate, runs, 3600.0)
    jumpy = mean_sigma(rate, runs, 3600.0, jump_bps=40.0)
    assert without * 0.98 < jumpy < (1.0 + most) * without


@pytest.mark.parametrize(("rate", "runs"), [(0.05, 40), (0.2, 20), (1.0, 10), (5.0, 4)])
def test_single_ticks_at_random_times_have_the_variance_of_their_rate(
    rate: float, runs: int
) -> None:
    """Updates are the moves themselves: bipower alone would read up to 41 % too much."""
    values = []
    for seed in range(runs):
        random, volatility = Random(seed), Volatility(VolatilitySettings())
        elapsed, ticks = 0.0, 0
        while elapsed < 3600.0:
            elapsed += random.expovariate(rate)
            ticks += random.choice((-1, 1))
            price = 100.0 * math.exp(1e-4 * 2.0 * ticks)
            volatility.learn(START + round(elapsed * NS_PER_S), price)
        estimate = volatility.estimate(START + round(elapsed * NS_PER_S))
        assert estimate is not None
        values.append(estimate.value)
    assert math.fsum(values) / runs == pytest.approx(2.0 * math.sqrt(rate), rel=0.05)


def test_jump_ratio_tells_jumps_from_diffusion() -> None:
    calm, _ = diffused(1.0, 3600.0, 1)
    jumpy, _ = diffused(1.0, 3600.0, 1, jump_bps=200.0, jump_every_s=300.0)
    assert calm.jump_ratio == pytest.approx(1.0, abs=0.15)
    assert jumpy.jump_ratio is not None
    assert jumpy.jump_ratio > 3.0


def test_ninety_per_cent_intervals_cover_the_truth() -> None:
    hits, runs = 0, 300
    for seed in range(runs):
        volatility, ts = diffused(1.0, 900.0, 1000 + seed)
        estimate = volatility.estimate(ts)
        assert estimate is not None
        hits += estimate.low <= SIGMA <= estimate.high
    assert 0.85 <= hits / runs <= 0.95


def test_repeated_values_between_moves_change_nothing() -> None:
    """A book twice a second without a move of S is no zero return."""
    sparse, dense = Volatility(VolatilitySettings()), Volatility(VolatilitySettings())
    random, price, ts = Random(1), 100.0, START
    for _ in range(400):
        price *= math.exp(1e-4 * SIGMA * math.sqrt(10.0) * random.gauss(0.0, 1.0))
        ts += 10 * NS_PER_S
        sparse.learn(ts, price)
        for half in range(20):
            dense.learn(ts + half * NS_PER_S // 2, price)
    one, other = sparse.estimate(ts), dense.estimate(ts)
    assert one is not None
    assert other is not None
    assert one.value == other.value == pytest.approx(SIGMA, rel=0.2)


def test_it_forgets_by_time() -> None:
    """An hour of σ = 2, then half an hour of σ = 6: three half-lives later 7/8 of σ² are new."""
    volatility, ts = diffused(1.0, 3600.0, 5)
    random, price = Random(6), 100.0
    for _ in range(1800):
        ts += NS_PER_S
        price *= math.exp(6e-4 * random.gauss(0.0, 1.0))
        volatility.learn(ts, price)
    estimate = volatility.estimate(ts)
    assert estimate is not None
    assert estimate.value == pytest.approx(math.sqrt(36 * 7 / 8 + 4 / 8), rel=0.15)


# -- intervals ------------------------------------------------------------------------------------


def test_intervals_of_few_returns_are_as_skewed_as_the_estimate() -> None:
    """A move in 100 s, so 17 returns in effect. The lesser of two estimates lies low, and so do
    more of the misses; symmetrical in ln σ, the interval would lie below the truth too often."""
    runs, below, above = 1000, 0, 0
    for seed in range(runs):
        random, volatility, ts, price = Random(seed), Volatility(VolatilitySettings()), START, 100.0
        for _ in range(40):
            volatility.learn(ts, price)
            ts += 100 * NS_PER_S
            price *= math.exp(1e-4 * SIGMA * 10.0 * random.gauss(0.0, 1.0))
        estimate = volatility.estimate(ts)
        assert estimate is not None
        below += estimate.high < SIGMA
        above += estimate.low > SIGMA
    assert 0.87 <= 1.0 - (below + above) / runs <= 0.93
    assert below / runs < 0.08
    assert above / runs > 0.02


@pytest.mark.parametrize(("jump_bps", "variance"), [(0.0, 2.0), (300.0, BIPOWER_VARIANCE)])
def test_the_interval_is_that_of_the_lesser_of_the_two(jump_bps: float, variance: float) -> None:
    """Moves all of one size: bipower reads π/2 too much and realised variance is right, until a
    jump. Beside it the quantiles of χ² with as many degrees of freedom."""
    volatility, ts, price = Volatility(VolatilitySettings()), START, 100.0
    for n in range(60):
        volatility.learn(ts, price)
        ts += 5 * NS_PER_S
        price *= math.exp(1e-4 * ((-1) ** n * 3.0 + (jump_bps if n == 40 else 0.0)))
    estimate = volatility.estimate(ts)
    assert estimate is not None
    assert volatility.bipower is not None
    assert volatility.realised is not None
    assert (volatility.realised < volatility.bipower) == (jump_bps == 0.0)
    freedom = 2.0 * estimate.n / variance
    for bound, share in ((estimate.low, 0.95), (estimate.high, 0.05)):
        exact = estimate.value * math.sqrt(freedom / chi2.ppf(share, freedom))
        assert bound == pytest.approx(exact, rel=0.001)


# -- warming up -----------------------------------------------------------------------------------


def warming(updates: int, sigma: float, prior: float = 1.0) -> tuple[Volatility, int]:
    settings = VolatilitySettings(sigma_prior=prior, min_observations=30, max_warmup_s=60.0)
    volatility, ts, price = Volatility(settings), START, 100.0
    for n in range(updates):
        volatility.learn(ts, price)
        ts += 2 * NS_PER_S
        price *= math.exp((-1) ** n * 1e-4 * sigma * math.sqrt(2.0))
    return volatility, ts


def test_no_estimate_before_enough_observations_or_the_time_is_up() -> None:
    volatility, _ = warming(5, sigma=0.1)
    assert volatility.estimate(START + 59 * NS_PER_S) is None
    assert volatility.estimate(START + 60 * NS_PER_S) is not None


def test_nothing_is_known_before_the_first_update() -> None:
    assert Volatility(VolatilitySettings()).estimate(START) is None


def test_when_time_is_up_the_wider_of_prior_and_estimate_is_used() -> None:
    late = START + 100 * NS_PER_S
    calm, wild, single = (warming(n, s)[0].estimate(late) for n, s in ((5, 0.1), (5, 9), (1, 1)))
    assert calm is not None
    assert (calm.value, calm.source) == (1.0, Source.PRIOR)
    assert wild is not None
    assert wild.value > 8
    assert calm.age_s == wild.age_s == 92.0
    assert wild.source is Source.PUBLIC
    assert single is not None
    assert (single.value, single.n, single.age_s) == (1.0, 0.0, None)


def test_enough_observations_need_no_wait_and_the_prior_counts_no_more() -> None:
    volatility, ts = warming(32, sigma=0.1)
    estimate = volatility.estimate(ts)
    assert estimate is not None
    assert estimate.value < 0.2
    assert estimate.source is Source.PUBLIC
    assert estimate.low < estimate.value < estimate.high


def test_a_checkpoint_brings_it_back_faded() -> None:
    volatility, ts = diffused(1.0, 3600.0, 7)
    before = volatility.estimate(ts)
    restored = Volatility(VolatilitySettings())
    restored.load(volatility.state(), 600.0, ts)
    restored.learn(ts + 600 * NS_PER_S, 100.0)
    after = restored.estimate(ts + 600 * NS_PER_S)
    assert before is not None
    assert after is not None
    assert after.value == pytest.approx(before.value, rel=1e-9)
    assert after.age_s == 600.0  # S alone, without a return, is no news of it
    assert restored.state().observations == pytest.approx(volatility.state().observations / 2)


@pytest.mark.parametrize("field", ["observations", "root_squares", "time_squares"])
@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_a_checkpoint_out_of_bounds_is_refused(field: str, bad: float) -> None:
    state = Volatility(VolatilitySettings()).state()
    with pytest.raises(ValueError, match="volatility"):
        Volatility(VolatilitySettings()).load(structs.replace(state, **{field: bad}), 0.0)


def test_before_version_3_realised_variance_counts_as_many_returns_as_bipower() -> None:
    volatility, ts = diffused(1.0, 3600.0, 7)
    old = structs.replace(volatility.state(), time_squares=None)
    restored = Volatility(VolatilitySettings())
    restored.load(old, 0.0)
    state, whole = restored.state(), volatility.state()
    assert state.time_squares is not None
    assert whole.time_squares is not None
    assert state.time_s**2 / state.time_squares == pytest.approx(
        whole.root_s**2 / whole.root_squares
    )
    assert structs.replace(state, time_squares=None) == old
    assert restored.estimate(ts) is not None
