"""The generated market keeps its word: what it prints as truth is what happens."""

import math
import time
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mm.model.units import Side, exact
from mm.sim.flow import GeneratedMarket
from mm.sim.market import Background, Market, MarketEvent, Oracle, Taker
from mm.sim.scenario import Depth, Mid, Scenario, Takers
from mm.sim.scenarios import PRESETS, build_market, preset, truth

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def market(
    *,
    seed: int = 1,
    speed: float = 1.0,
    mid: Mid | None = None,
    takers: Takers | None = None,
    interval_ms: float = 250.0,
) -> GeneratedMarket:
    scenario = Scenario(
        name="test",
        mid=mid or Mid(sigma_bps=1.0),
        takers=takers or Takers(arrival_per_s=1.0, kappa_per_bps=0.25),
        depth=Depth(half_spread_bps=8.0, interval_ms=interval_ms),
    )
    return build_market(scenario, seed, START_MS, speed)


def events(source: GeneratedMarket, hours: float) -> Iterator[tuple[MarketEvent, float]]:
    """Each event with the true mid at its time."""
    end_ms = source.next_ms() + round(hours * 3_600_000)
    while source.next_ms() < end_ms:
        event = source.pop()
        yield event, source.mid


def reach_bps(taker: Taker, mid: float) -> float:
    return taker.aggressor * 1e4 * (taker.limit - mid) / mid


def books_with_mid(source: GeneratedMarket, hours: float) -> list[tuple[int, float]]:
    return [
        (event.time_ms, mid)
        for event, mid in events(source, hours)
        if isinstance(event, Background)
    ]


def variance_per_s(path: list[tuple[int, float]]) -> float:
    total = sum((1e4 * math.log(after / before)) ** 2 for (_, before), (_, after) in pairwise(path))
    return total / ((path[-1][0] - path[0][0]) / 1e3)


class TestStream:
    def test_it_is_a_market(self) -> None:
        source: Market = market()
        assert source.next_ms() == START_MS
        assert source.instrument.name == "BTC"

    def test_begins_with_a_book_and_an_oracle_price(self) -> None:
        source = market()
        first, second = source.pop(), source.pop()
        assert isinstance(first, Background)
        assert isinstance(second, Oracle)
        assert first.time_ms == second.time_ms == START_MS
        assert second.price == source.mid

    @pytest.mark.parametrize("name", PRESETS)
    def test_time_never_goes_back_and_next_ms_foretells_it(self, name: str) -> None:
        source = build_market(preset(name), 3, START_MS, 7.0)
        last_ms = START_MS
        for _ in range(5_000):
            promised = source.next_ms()
            event = source.pop()
            assert event.time_ms == promised >= last_ms
            last_ms = promised

    @pytest.mark.parametrize("name", PRESETS)
    def test_same_seed_same_events(self, name: str) -> None:
        one, two = (build_market(preset(name), 5, START_MS) for _ in range(2))
        other = build_market(preset(name), 6, START_MS)
        drawn = [one.pop() for _ in range(3_000)]
        assert drawn == [two.pop() for _ in range(3_000)]
        assert drawn != [other.pop() for _ in range(3_000)]

    @pytest.mark.parametrize("speed", [0.0, -1.0, math.inf, math.nan])
    def test_refuses_a_speed_that_is_not_a_positive_number(self, speed: float) -> None:
        with pytest.raises(ValueError, match="speed"):
            market(speed=speed)

    def test_a_day_of_thin_takes_seconds_of_cpu(self) -> None:
        source = build_market(preset("thin"), 1, START_MS)
        started = time.process_time()
        while source.next_ms() < START_MS + DAY_MS:
            source.pop()
        assert time.process_time() - started < 5.0


class TestTruth:
    def test_a_quote_is_reached_at_the_stated_rate_at_every_depth(self) -> None:
        source = market(takers=Takers(arrival_per_s=2.0, kappa_per_bps=0.25))
        told = truth(source.scenario)
        reaches = [
            (event.aggressor, reach_bps(event, mid))
            for event, mid in events(source, 4)
            if isinstance(event, Taker)
        ]
        for side in Side:
            for depth in (-5.0, 0.0, 2.0, 4.0, 8.0, 16.0):
                count = sum(1 for who, reach in reaches if who is side and reach >= depth)
                expected = told.intensity(depth) * 4 * 3600
                assert abs(count - expected) < 4 * math.sqrt(expected)

    def test_a_taker_has_no_size_of_its_own(self) -> None:
        takers = [e for e, _ in events(market(), 0.1) if isinstance(e, Taker)]
        assert takers
        assert all(taker.size is None for taker in takers)

    @pytest.mark.parametrize("name", PRESETS)
    def test_variance_per_second_is_the_sum_of_its_three_parts(self, name: str) -> None:
        hours = 12.0
        scenario = msgspec.structs.replace(preset(name), oracle_interval_ms=1e9)
        told = truth(scenario)
        path = books_with_mid(build_market(scenario, 2, START_MS), hours)
        # Jumps dominate the error: var(J²) = 2·sd⁴ per jump.
        jumps = max(scenario.mid.jump_rate_per_s * hours * 3600, 1e-9)
        jump_error = told.variance_jumps * math.sqrt(3 / jumps)
        error = 0.03 * told.sigma_total**2 + 4 * jump_error
        assert variance_per_s(path) == pytest.approx(told.sigma_total**2, abs=error)

    def test_jumps_come_at_their_rate_and_size(self) -> None:
        mid = Mid(sigma_bps=0.1, jump_rate_per_s=1 / 60, jump_sd_bps=30.0)
        path = books_with_mid(market(mid=mid, interval_ms=2000.0), 48)
        moves = [1e4 * math.log(after / before) for (_, before), (_, after) in pairwise(path)]
        jumps = [move for move in moves if abs(move) > 1.0]
        expected = 48 * 60 * math.erfc(1.0 / 30.0 / math.sqrt(2))
        assert abs(len(jumps) - expected) < 4 * math.sqrt(expected)
        assert math.sqrt(sum(j * j for j in jumps) / len(jumps)) == pytest.approx(30.0, rel=0.06)

    def test_the_mid_is_a_martingale_but_for_its_drift(self) -> None:
        def after_an_hour(seed: int, mid: Mid) -> float:
            return books_with_mid(market(seed=seed, mid=mid, interval_ms=5e3), 1)[-1][1]

        still = [after_an_hour(seed, Mid(sigma_bps=1.0)) for seed in range(40)]
        rising = Mid(sigma_bps=1.0, drift_bps_per_s=0.05)
        risen = [after_an_hour(seed, rising) for seed in range(40)]
        error = 64_000 * 60e-4 / math.sqrt(40)
        assert abs(sum(still) / 40 - 64_000) < 4 * error
        assert sum(risen) / 40 == pytest.approx(64_000 * math.exp(180e-4), abs=4 * error)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_markouts_are_the_share_of_the_informed_times_their_move(self, share: float) -> None:
        takers = Takers(
            arrival_per_s=0.3, kappa_per_bps=0.25, informed_share=share, informed_move_bps=3.0
        )
        source = market(mid=Mid(sigma_bps=0.5), takers=takers)
        told = truth(source.scenario)
        assert told.adverse_bps == pytest.approx(share * 3.0)
        for horizon_s in (0.1, 1.0, 5.0):
            markouts = _markouts(market(mid=Mid(sigma_bps=0.5), takers=takers), 5, horizon_s)
            mean = sum(markouts) / len(markouts)
            error = math.sqrt(sum((m - mean) ** 2 for m in markouts)) / len(markouts)
            assert abs(mean - told.markout_bps(Side.BID, horizon_s)) < 4 * error + 1e-3

    def test_drift_costs_the_ask_what_it_pays_the_bid(self) -> None:
        told = truth(preset("trending"))
        assert told.markout_bps(Side.ASK, 5.0) - told.adverse_bps == pytest.approx(0.1)
        assert told.markout_bps(Side.BID, 5.0) - told.adverse_bps == pytest.approx(-0.1)

    def test_reach_tells_nothing_about_being_informed(self) -> None:
        """A deep quote and a shallow one have the same adverse selection: `a` is one number."""
        takers = Takers(
            arrival_per_s=0.3, kappa_per_bps=0.25, informed_share=0.5, informed_move_bps=5.0
        )
        source = market(mid=Mid(sigma_bps=0.1), takers=takers)
        deep = _markouts(source, 6, 1.0, least_reach_bps=6.0)
        error = 2.6 / math.sqrt(len(deep))
        assert sum(deep) / len(deep) == pytest.approx(2.5, abs=4 * error)

    def test_it_prints(self) -> None:
        told = truth(preset("toxic")).as_dict()
        assert told["adverse_bps"] == 2.0
        assert told["sigma_total"] ** 2 == pytest.approx(
            told["variance_diffusion"] + told["variance_jumps"] + told["variance_informed"]
        )


def _markouts(
    source: GeneratedMarket, hours: float, horizon_s: float, least_reach_bps: float = 0.0
) -> list[float]:
    """Signed markouts of a resting order that each taker reaches, against the published path."""
    path: list[tuple[int, float]] = []
    fills: list[tuple[int, int, float]] = []
    for event, mid in events(source, hours):
        path.append((event.time_ms, mid))
        if isinstance(event, Taker) and reach_bps(event, mid) >= least_reach_bps:
            fills.append((event.time_ms, event.aggressor, mid))
    markouts, at = [], 0
    for time_ms, aggressor, mid in fills:
        while at + 1 < len(path) and path[at + 1][0] <= time_ms + horizon_s * 1e3:
            at += 1
        markouts.append(aggressor * 1e4 * (path[at][1] - mid) / mid)
    return markouts


class TestSpeed:
    @pytest.mark.parametrize("name", PRESETS)
    def test_compresses_time_and_changes_nothing_else(self, name: str) -> None:
        slow = build_market(preset(name), 9, 0)
        fast = build_market(preset(name), 9, 0, 10.0)
        for _ in range(3_000):
            one, two = slow.pop(), fast.pop()
            assert abs(two.time_ms - one.time_ms / 10) <= 1
            assert msgspec.structs.replace(two, time_ms=one.time_ms) == one

    def test_ten_times_the_arrivals_and_variance_per_wall_second(self) -> None:
        told = truth(preset("liquid"), 10.0)
        source = build_market(preset("liquid"), 4, START_MS, 10.0)
        seen = list(events(source, 1))
        arrivals = sum(isinstance(event, Taker) for event, _ in seen)
        assert told.arrival == pytest.approx(5.0)
        assert abs(arrivals - 2 * 5.0 * 3600) < 4 * math.sqrt(2 * 5.0 * 3600)
        path = [(event.time_ms, mid) for event, mid in seen if isinstance(event, Background)]
        assert told.sigma == pytest.approx(math.sqrt(10) * truth(preset("liquid")).sigma)
        assert variance_per_s(path) == pytest.approx(told.sigma_total**2, rel=0.03)

    def test_distances_and_shares_stay(self) -> None:
        one, ten = truth(preset("toxic")), truth(preset("toxic"), 10.0)
        assert (one.kappa, one.adverse_bps, one.half_spread_bps) == (
            ten.kappa,
            ten.adverse_bps,
            ten.half_spread_bps,
        )
        assert ten.informed_delay_s == pytest.approx(one.informed_delay_s / 10)


class TestBook:
    @given(
        price=st.floats(0.02, 90_000.0),
        size_decimals=st.integers(0, 5),
        seed=st.integers(0, 2**32),
    )
    @settings(max_examples=60, deadline=None)
    def test_is_valid_sorted_and_centred_on_the_mid(
        self, price: float, size_decimals: int, seed: int
    ) -> None:
        scenario = Scenario(
            name="any",
            mid=Mid(sigma_bps=20.0, jump_rate_per_s=0.2, jump_sd_bps=100.0),
            takers=Takers(arrival_per_s=1.0, kappa_per_bps=0.25),
            depth=Depth(half_spread_bps=8.0),
            price=price,
            size_decimals=size_decimals,
        )
        assume(scenario.tick_bps < 2.0)
        source = build_market(scenario, seed, START_MS)
        instrument = source.instrument
        for event, mid in events(source, 0.01):
            if not isinstance(event, Background):
                continue
            bid, ask = event.bids[0][0], event.asks[0][0]
            half_tick = float(instrument.tick(mid * 1.02)) / 2
            assert bid < mid < ask
            assert abs((bid + ask) / 2 - mid) <= half_tick * 1.001
            assert [p for p, _ in event.bids] == sorted({p for p, _ in event.bids}, reverse=True)
            assert [p for p, _ in event.asks] == sorted({p for p, _ in event.asks})
            for level_price, size in event.bids + event.asks:
                assert instrument.is_valid_price(exact(level_price))
                assert instrument.is_valid_size(exact(size))

    def test_is_refreshed_on_its_clock(self) -> None:
        takers = Takers(arrival_per_s=1.0, kappa_per_bps=0.25)
        times = [t for t, _ in books_with_mid(market(takers=takers), 0.1)]
        assert {b - a for a, b in pairwise(times)} == {250}

    def test_is_refreshed_at_once_after_an_informed_move(self) -> None:
        takers = Takers(
            arrival_per_s=0.2,
            kappa_per_bps=0.25,
            informed_share=1.0,
            informed_move_bps=3.0,
            informed_delay_ms=130.0,
        )
        source = market(takers=takers, interval_ms=60_000.0)
        expected_ms: list[int] = []
        seen: list[int] = []
        for event, _ in events(source, 1):
            if isinstance(event, Taker):
                expected_ms.append(event.time_ms + 130)
            elif isinstance(event, Background):
                seen.append(event.time_ms)
        due = [at for at in expected_ms if at < START_MS + 3_600_000 - 1_000]
        assert len(due) > 1_000
        assert all({at, at + 1} & set(seen) for at in due)
