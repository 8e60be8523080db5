"""The bundle: order of events, Thompson's draws, checkpoints, what the operator sees."""

import math
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mm.core.settings import (
    CalibrationSettings,
    IntensitySettings,
    StochasticSettings,
    StrategySettings,
)
from mm.core.stochastic.calibration_controller import QuoteEffect
from mm.core.stochastic.checkpoint import seal
from mm.core.stochastic.components import StochasticComponents
from mm.core.stochastic.views import (
    TOO_THIN,
    calibration_view,
    market_estimates,
    seconds_missing,
)
from mm.model.estimate import Source
from mm.model.events import Fill
from mm.model.units import NS_PER_S, Ns, Side

START = 1_700_000_000 * NS_PER_S
SIDES = (Side.BID, Side.ASK)
FAIR = 10_000.0


def fill(side: Side, ts: Ns, price: float, n: int) -> Fill:
    size, zero = Decimal("0.1"), Decimal(0)
    return Fill(ts, ts, n, f"c{n}", n, side, Decimal(repr(price)), size, zero, zero, True)


def bundle(exploration: str = "none", **calibration: object) -> StochasticComponents:
    return StochasticComponents(
        StochasticSettings(
            intensity=IntensitySettings(kappa_prior=0.3),
            calibration=CalibrationSettings(**calibration),  # type: ignore[arg-type]  # kwargs
        ),
        StrategySettings(exploration=exploration),
    )


def traded(components: StochasticComponents, arrivals: int, seed: int = 1) -> Ns:
    """A diffusing S, a ladder around it, and `arrivals` sweeps, one each ten seconds."""
    random, ts, fair = Random(seed), START, FAIR
    for n in range(arrivals * 10 + 5):
        ts += NS_PER_S
        fair *= 1.0 + 1e-4 * random.gauss(0.0, 1.0)
        components.learn_fair(ts, ts, fair, 1.0)
        for side in SIDES:
            prices = tuple(fair * (1.0 - side * d * 1e-4) for d in (2.0, 3.0, 4.0, 5.0))
            components.learn_levels(ts, ts, side, prices)
        if n % 10 == 9:
            side = random.choice(SIDES)
            reach = random.expovariate(0.3)
            for level, depth in enumerate((2.0, 3.0, 4.0, 5.0)):
                if level == 0 or depth <= 2.0 + reach:
                    price = fair * (1.0 - side * depth * 1e-4)
                    components.learn_fill(fill(side, ts + 5, price, 10 * n + level))
        components.flush(ts)
        components.update_calibration_status(ts)
    return ts


# -- Thompson -------------------------------------------------------------------------------------


def test_a_draw_is_kept_until_an_arrival_or_its_time_is_up() -> None:
    components = bundle("thompson")
    ts = traded(components, 3)
    assert components.thompson is not None
    first = components.intensity_point(ts)
    assert [components.intensity_point(ts + n * NS_PER_S) for n in range(599)] == [first] * 599
    drawn = components.thompson.draws
    later = components.intensity_point(ts + 2000 * NS_PER_S)
    assert later != first
    assert components.thompson.draws == drawn + 1
    components.learn_fill(fill(Side.BID, ts, FAIR - 2.0, 99_999))
    components.flush(ts + 2 * NS_PER_S)
    assert components.intensity_point(ts + 2000 * NS_PER_S) != later


def test_draws_follow_the_posterior_and_tighten_with_it() -> None:
    def spread(arrivals: int) -> float:
        components = bundle("thompson")
        ts = traded(components, arrivals)
        draws = []
        for n in range(400):
            point = components.intensity_point(ts + n * 601 * NS_PER_S)
            assert point is not None
            draws.append(math.log(point[0]))
        known = components.intensity.posterior
        assert known is not None
        mean = math.fsum(draws) / len(draws)
        sd = math.sqrt(math.fsum((d - mean) ** 2 for d in draws) / len(draws))
        assert mean == pytest.approx(known.mean_log, abs=5 * known.sd_log / 20)
        assert sd == pytest.approx(known.sd_log, rel=0.15)
        return sd

    assert spread(60) < 0.5 * spread(1)


def test_the_same_seed_draws_the_same_and_without_exploration_there_is_no_draw() -> None:
    one, other, plain = bundle("thompson"), bundle("thompson"), bundle()
    points = []
    for components in (one, other, plain):
        ts = traded(components, 3)
        points.append(components.intensity_point(ts))
    assert points[0] == points[1] != points[2]
    known = plain.intensity.posterior
    assert known is not None
    assert points[2] == (known.kappa_value, known.arrival_value)


# -- checkpoints ----------------------------------------------------------------------------------


def test_a_restored_bundle_knows_what_the_old_one_knew() -> None:
    old, new = bundle("thompson"), bundle("thompson")
    ts = traded(old, 30)
    old.intensity_point(ts)
    new.restore(old.checkpoint(), ts)
    assert new.checkpoint() == old.checkpoint()
    before, after = market_estimates(old, ts), market_estimates(new, ts + 60 * NS_PER_S)
    for name in ("sigma", "kappa", "arrival"):
        was, now = getattr(before, name), getattr(after, name)
        assert was is not None
        assert now is not None
        assert now.age_s == pytest.approx((was.age_s or 0.0) + 60.0)
    assert all(row.age_s is not None and row.age_s >= 60.0 for row in after.adverse)
    new.update_calibration_status(ts)
    assert new.calibration.calibration_progress() == old.calibration.calibration_progress()
    for side in SIDES:
        assert new.adverse_bps(side, ts) == pytest.approx(old.adverse_bps(side, ts), abs=0.05)
    assert new.intensity.posterior is not None
    assert old.intensity.posterior is not None
    assert new.intensity.posterior.kappa_value == old.intensity.posterior.kappa_value


def seen(components: StochasticComponents, start_s: float, end_s: float, fair: float) -> None:
    """A book each half second, and a Tick."""
    for half in range(round(2 * start_s), round(2 * end_s)):
        ts = START + half * NS_PER_S // 2
        components.learn_fair(ts, ts, fair, 1.0)
        components.flush(ts)


def marked(components: StochasticComponents, side: Side) -> dict[float, tuple[float, float]]:
    """Horizon -> number and sum of markouts of a side."""
    state = components.adverse.state()
    rows = [(each, horizon) for each in SIDES for horizon in state.horizons_s]
    means = dict(zip(rows, state.means, strict=True))
    return {h: (means[side, h].n, means[side, h].total) for h in state.horizons_s}


def test_across_a_reconnect_each_horizon_counts_where_s_was_known() -> None:
    """Filled at second 2; the last book at 2.5; S is 6 bps lower when it is back at 5.5."""
    components = bundle()
    seen(components, 0, 3, FAIR)
    at = START + 2 * NS_PER_S + 1
    components.learn_fill(fill(Side.BID, at, FAIR - 2.0, 1))
    down = START + 32 * NS_PER_S // 10
    components.learn_fair(down, START + 5 * NS_PER_S // 2, None, 0.0)
    seen(components, 5.5, 45, FAIR * (1.0 - 6e-4))

    assert {h: n for h, (n, _) in marked(components, Side.BID).items()} == pytest.approx(
        {1.0: 0.0, 5.0: 1.0, 30.0: 1.0}, abs=0.01
    )
    assert marked(components, Side.BID)[5.0][1] == pytest.approx(6.0, abs=0.01)
    assert components.adverse.measured == 1


def test_a_fill_that_is_told_after_the_reconnect_is_measured_when_it_happened() -> None:
    components = bundle()
    seen(components, 0, 20, FAIR)
    late = fill(Side.ASK, START + 30 * NS_PER_S, FAIR + 2.0, 1)
    happened = START + 10 * NS_PER_S + 1
    seen(components, 20, 30, FAIR * (1.0 + 9e-4))
    components.learn_fill(msgspec.structs.replace(late, venue_ts=happened))
    seen(components, 30, 70, FAIR * (1.0 + 50e-4))

    horizons = marked(components, Side.ASK)
    assert horizons[1.0][1] == horizons[5.0][1] == 0.0
    assert horizons[30.0][1] == pytest.approx(50.0, rel=0.01)
    assert components.adverse.measured == 1


def test_what_s_did_while_it_was_unknown_is_no_return() -> None:
    """An hour's outage after which S happens to be where it was: σ is what it was."""
    components = bundle()
    ts = traded(components, 30)
    before = components.sigma(ts)
    components.learn_fair(ts + 1, ts, None, 0.0)
    last = components._fairs.at(ts - 1)
    assert last is not None
    ts += 3600 * NS_PER_S
    for second, bps in enumerate((0.1, 1.1, 0.1, -0.9, 0.1, 1.1)):
        at = ts + second * NS_PER_S
        components.learn_fair(at, at, last * (1.0 + 1e-4 * bps), 1.0)
    after = components.sigma(ts + 6 * NS_PER_S)
    assert before is not None
    assert after is not None
    assert after.value == pytest.approx(before.value, rel=0.1)


def test_a_restart_measures_what_is_due_after_it() -> None:
    """Filled two seconds before the checkpoint: of three horizons the two that lie ahead."""
    old = bundle()
    seen(old, 0, 2, FAIR)
    old.learn_fill(fill(Side.BID, START + 2 * NS_PER_S + 1, FAIR - 2.0, 1))
    seen(old, 2, 5, FAIR)
    new = bundle()
    new.restore(old.checkpoint(), START + 6 * NS_PER_S)
    seen(new, 6, 45, FAIR * (1.0 - 3e-4))

    found = marked(new, Side.BID)
    assert [found[h][0] for h in (1.0, 5.0, 30.0)] == pytest.approx([1.0, 1.0, 1.0], abs=0.01)
    assert [found[h][1] for h in (1.0, 5.0, 30.0)] == pytest.approx([0.0, 3.0, 3.0], abs=0.01)
    assert new.adverse.measured == 1


def test_partial_fills_and_a_sweep_are_one_markout() -> None:
    components = bundle()
    seen(components, 0, 2, FAIR)
    at = START + 2 * NS_PER_S + 1
    for n, price in enumerate((FAIR - 2.0, FAIR - 2.0, FAIR - 3.0)):
        components.learn_fill(fill(Side.BID, at, price, n))
    seen(components, 2, 4, FAIR)
    components.learn_fill(fill(Side.BID, at, FAIR - 3.0, 9))  # the last of it, told late
    seen(components, 4, 45, FAIR * (1.0 - 2e-4))

    assert marked(components, Side.BID)[5.0][0] == pytest.approx(1.0, abs=0.01)
    assert components.adverse.measured == 1


def test_knowledge_ages_while_the_daemon_is_down() -> None:
    old, new = bundle(), bundle()
    ts = traded(old, 30)
    new.restore(old.checkpoint(), ts + 48 * 3600 * NS_PER_S)
    assert new.intensity.own_arrivals == pytest.approx(old.intensity.own_arrivals / 4)
    assert new.intensity.confidence < old.intensity.confidence


@pytest.mark.parametrize("days", [1, 8, 140, 400, 4000])
def test_however_old_a_checkpoint_it_fades_to_the_prior(days: int) -> None:
    """Sums of which hardly anything is left must not be divided by each other."""
    old, new = bundle(), bundle()
    late = traded(old, 30) + days * 86_400 * NS_PER_S
    new.restore(old.checkpoint(), late)
    new.learn_fair(late, late, FAIR, 1.0)
    new.flush(late + NS_PER_S)
    found = market_estimates(new, late + 20 * NS_PER_S)

    assert found.sigma is not None
    assert 0.5 < found.sigma.value < 2.0
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(0.3, rel=min(60.0 * 0.5**days, 1.0) + 1e-6)
    assert all(abs(row.mean_bps) < 8.0 * 0.5**days + 1e-6 for row in found.adverse)
    sources = {row.source for row in found.adverse}
    assert sources == ({Source.OWN} if days < 9 else {Source.PRIOR})


def test_half_a_year_without_a_fill_forgets_and_divides_nothing_by_nothing() -> None:
    components = bundle()
    ts = traded(components, 30)
    for _ in range(26):
        ts += 7 * 86_400 * NS_PER_S
        components.flush(ts)
        assert all(math.isfinite(row.se_bps) for row in market_estimates(components, ts).adverse)
    assert components.adverse_bps(Side.BID, ts) == 0.0


def test_a_checkpoint_from_the_future_is_not_made_younger() -> None:
    old, new = bundle(), bundle()
    ts = traded(old, 10)
    new.restore(old.checkpoint(), ts - 3600 * NS_PER_S)
    assert new.intensity.own_arrivals == old.intensity.own_arrivals


@examples(max_examples=200)
@given(st.binary(max_size=300))
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        bundle().restore(data, START)


@examples(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(at: int, byte: int) -> None:
    data = bytearray(GOOD)
    data[at % len(data)] ^= byte
    components = bundle()
    with pytest.raises(ValueError, match="damaged"):
        components.restore(bytes(data), START + 1000 * NS_PER_S)
    assert components.checkpoint() == bundle().checkpoint()


@examples(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_a_forged_checkpoint_is_refused_or_leaves_sane_estimates(at: int, byte: int) -> None:
    data = bytearray(GOOD[4:])
    data[at % len(data)] ^= byte
    components = bundle()
    try:
        components.restore(seal(bytes(data)), START + 1000 * NS_PER_S)
    except ValueError:
        assert components.intensity.total == 0
        return
    found = components.intensity.estimates(START + 1000 * NS_PER_S)
    assert found is not None
    assert all(0 < e.value < math.inf for e in found)
    assert math.isfinite(components.adverse_bps(Side.BID, START))


def _good() -> bytes:
    components = bundle()
    traded(components, 5)
    return components.checkpoint()


GOOD = _good()


def test_another_version_is_refused_by_name() -> None:
    saved = msgspec.msgpack.decode(GOOD[4:])
    saved["version"] = 99
    with pytest.raises(ValueError, match="version 99"):
        bundle().restore(seal(msgspec.msgpack.encode(saved)), START)
    saved["version"], saved["ts"] = 1, -5
    with pytest.raises(ValueError, match="negative"):
        bundle().restore(seal(msgspec.msgpack.encode(saved)), START)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("own", "arrivals"), -1.0),
        (("own", "reach"), [0.0]),
        (("public", "exposure"), [math.nan] * 96),
        (("own", "exposure"), [-5.0] * 96),
        (("own", "reach"), [5.0] * 96),
    ],
)
def test_impossible_evidence_is_refused(path: tuple[str, str], value: object) -> None:
    saved = msgspec.msgpack.decode(GOOD[4:])
    saved["kappa"][path[0]][path[1]] = value
    with pytest.raises(ValueError, match="checkpoint"):
        bundle().restore(seal(msgspec.msgpack.encode(saved)), START)


def test_a_prior_out_of_bounds_is_refused() -> None:
    saved = msgspec.msgpack.decode(GOOD[4:])
    saved["kappa"]["centre"] = 1e9
    with pytest.raises(ValueError, match="prior"):
        bundle().restore(seal(msgspec.msgpack.encode(saved)), START)


def test_a_changed_prior_in_the_settings_wins_over_the_checkpoint() -> None:
    old = bundle()
    ts = traded(old, 10)
    new = StochasticComponents(
        StochasticSettings(intensity=IntensitySettings(kappa_prior=0.6)), StrategySettings()
    )
    new.restore(old.checkpoint(), ts)
    assert new.intensity.state().centre == 0.6
    assert new.intensity.own_arrivals == old.intensity.own_arrivals


def test_a_checkpoint_of_a_cold_bundle_is_cold() -> None:
    cold = StochasticComponents(StochasticSettings(), StrategySettings())
    other = StochasticComponents(StochasticSettings(), StrategySettings())
    other.restore(cold.checkpoint(), START)
    assert other.intensity.posterior is None
    assert other.intensity.estimates(START) is None
    assert other.intensity.confidence == 0.0


# -- what the operator sees -----------------------------------------------------------------------


def test_every_estimate_says_how_sure_it_is_and_where_it_comes_from() -> None:
    components = bundle()
    cold = market_estimates(components, START)
    assert cold.sigma is None
    assert cold.kappa is not None
    assert cold.kappa.source is Source.PRIOR
    assert cold.kappa_confidence == 0.0
    ts = traded(components, 30)
    warm = market_estimates(components, ts)
    assert warm.sigma is not None
    assert warm.sigma.value == pytest.approx(1.0, rel=0.3)
    assert warm.jump_ratio == pytest.approx(1.0, abs=0.3)
    assert warm.kappa is not None
    assert warm.kappa.source is Source.OWN
    assert warm.kappa.low < warm.kappa.value < warm.kappa.high
    assert warm.kappa.n == pytest.approx(30, abs=1.5)
    assert warm.kappa.age_s is not None
    assert len(warm.adverse) == 6
    primary = [row for row in warm.adverse if row.horizon_s == 5.0]
    assert sum(row.n for row in primary) == pytest.approx(30, abs=1.5)
    assert all(0 < row.se_bps <= 2.0 for row in primary)
    assert all(row.source is Source.OWN for row in primary)
    assert all(row.age_s is not None and row.age_s < 60.0 for row in primary)


def test_view_of_a_cold_start_has_an_eta_that_shrinks() -> None:
    components = bundle()
    assert calibration_view(components).note == "not quoting yet"
    etas = []
    for n in (2, 12, 17):
        components = bundle()
        traded(components, n)
        components.calibration.record_quote(QuoteEffect((3.0, 3.0), 0.3, 4.0, 2.8))
        view = calibration_view(components)
        assert view.eta_s is not None
        etas.append(view.eta_s)
        assert view.hungry
        assert view.multiplier == 0.3
        assert view.effect_bps == 2.8
        assert view.measured_arrivals == components.adverse.measured
        components.calibration.record_quote(QuoteEffect((5.8, 5.8), 1.0, 4.0, 0.0))
        assert not calibration_view(components).hungry  # fills come as fast as is wanted
    assert etas[0] > etas[1] > etas[2] > 0


def test_a_market_too_thin_says_so_instead_of_an_eta() -> None:
    components = bundle()
    traded(components, 1)
    for hour in range(60):
        components.flush(START + (1 + hour) * 3600 * NS_PER_S)
    components.calibration.record_quote(QuoteEffect((30.0, 30.0), 0.3, 4.0, 2.8))
    view = calibration_view(components)
    assert view.eta_s is None
    assert view.note == "market too thin: too few arrivals within reach of our quotes"


@pytest.mark.parametrize(
    ("lever", "thin"), [("width", False), ("gamma", True)], ids=["width", "gamma"]
)
def test_only_the_width_makes_room_for_more_arrivals(lever: str, thin: bool) -> None:
    """20 arrivals a day 7 bps nearer, where a multiplier of 0.3 would bring the width."""
    components = bundle(lever=lever)
    traded(components, 5)
    known = components.intensity.posterior
    assert known is not None
    depth = known.depth_for_rate(10.0 / 86_400.0) + 5.0
    components.calibration.record_quote(QuoteEffect((depth, depth), 1.0, 10.0, 0.0))
    assert (calibration_view(components).note == TOO_THIN) == thin


def test_the_eta_is_that_of_calibration_complete_not_of_certainty() -> None:
    """At the point where progress would be 0.95 exactly there is nothing left to wait for."""
    components = bundle()
    traded(components, 25)
    rate, at_complete = 0.1, 1.0 - 0.9 * 0.75
    assert seconds_missing(components, at_complete, rate) == pytest.approx(0.0)
    own = components.intensity.own_arrivals
    half_known = math.sqrt(1.0 / (1.0 + 0.5 * (at_complete**-2 - 1.0)))
    wait = seconds_missing(components, half_known, rate)
    assert wait == pytest.approx(own / rate, rel=0.01)  # as many again


def test_what_fades_faster_than_it_comes_has_no_eta() -> None:
    """25 arrivals a day keep 36 in a memory of 24 h half-life: fewer than are wanted."""
    components = bundle()
    traded(components, 25)
    assert seconds_missing(components, 0.55, 25 / 86_400) is None
    slow = seconds_missing(components, 0.55, 60 / 3600)
    assert slow is not None
    assert slow < 2 * 3600.0


def test_the_view_says_when_evidence_fades_faster_than_it_comes() -> None:
    forgetful = StochasticSettings(
        intensity=IntensitySettings(kappa_prior=0.3, half_life_h=1.0),
        calibration=CalibrationSettings(policy="off"),
    )
    components = StochasticComponents(forgetful, StrategySettings())
    traded(components, 5)
    known = components.intensity.posterior
    assert known is not None
    depth = known.depth_for_rate(15.0 / 86_400.0)
    components.calibration.record_quote(QuoteEffect((depth, depth), 1.0, depth, 0.0))
    view = calibration_view(components)
    assert (view.eta_s, view.note) == (None, "evidence fades faster than it comes")


def test_view_when_calibrated_disabled_or_out_of_budget() -> None:
    done = bundle()
    done.calibration.update_calibration_status(START, 20, 0.75)
    assert (calibration_view(done).eta_s, calibration_view(done).complete) == (0.0, True)
    assert calibration_view(bundle(enable_calibration_fill_rate=False)).policy == "off"
    spent = bundle(edge_budget_usd=0.0)
    traded(spent, 1)
    spent.calibration.record_quote(QuoteEffect((3.0, 3.0), 1.0, 4.0, 0.0))
    view = calibration_view(spent)
    assert (view.note, view.hungry, view.multiplier) == ("edge budget spent", False, 1.0)
