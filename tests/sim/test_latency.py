"""Latency models: pure functions of their own numbers and the caller's randomness."""

import math
from random import Random
from statistics import median

import pytest

from mm.sim.latency import Lognormal


def test_lognormal_has_its_median_above_its_floor() -> None:
    model = Lognormal(median_ms=20.0, log_sd=0.5, floor_ms=5.0)
    rng = Random(3)
    draws = [model.one_way_ms(rng) for _ in range(4001)]
    assert min(draws) > 5.0
    # 4 standard errors of a median: 1.25·sd/√n in the logarithm
    assert math.log(median(draws) - 5.0) == pytest.approx(math.log(20.0), abs=4 * 1.25 * 0.5 / 63)


def test_same_seed_same_delays() -> None:
    model = Lognormal(20.0, 0.3)

    def draws() -> list[float]:
        rng = Random(9)
        return [model.one_way_ms(rng) for _ in range(5)]

    assert draws() == draws()
