"""A fair price that leans to the heavier side, and never believes one level more than the touch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.book import MarketBook
from mm.core.engine import Engine
from mm.model.events import Book, Levels
from mm.model.units import NS_PER_S, Side
from tests.core.stage import INSTRUMENT, Stage, settings

HUGE = 1e300


def fair_of(bids: Levels, asks: Levels, *before: Book) -> float:
    market = MarketBook(0.001, True, 200.0)
    for event in (*before, Book(2 * NS_PER_S, 2 * NS_PER_S, bids, asks)):
        market.apply(event, ())
    assert market.fair is not None
    return market.fair


def book(near: float, far: float = 1.0) -> Levels:
    """Bids with `near` at the touch and `far` behind it."""
    return (99.9, near), (99.8, far)


ASKS: Levels = (100.1, 1.0), (100.2, 1.0)


def test_it_weighs_each_price_by_the_size_against_it() -> None:
    assert fair_of(book(1.0), ASKS) == pytest.approx(100.0)
    assert fair_of(book(3.0), ASKS) == pytest.approx(100.05)
    assert fair_of(book(1 / 3), ASKS) == pytest.approx(99.95)


@pytest.mark.parametrize("far", [1e-9, 1e6, HUGE])
def test_a_huge_level_far_away_says_nothing(far: float) -> None:
    assert fair_of(book(1.0, far), ASKS) == fair_of(book(1.0), ASKS)


@given(near=st.floats(1e-300, HUGE), opposite=st.floats(1e-300, HUGE))
def test_a_huge_level_at_the_touch_moves_it_by_half_the_spread_at_most(
    near: float, opposite: float
) -> None:
    fair = fair_of(book(near), ((100.1, opposite),))
    assert 99.9 <= fair <= 100.1 * (1.0 + 1e-15)


def test_an_outlier_leaves_nothing_behind() -> None:
    """Also as the first sample: there is no average to poison."""
    outlier = Book(NS_PER_S, NS_PER_S, ((99.9, HUGE),), ((100.1, 1e-9),))
    assert fair_of(book(1.0), ASKS, outlier) == fair_of(book(1.0), ASKS)


def staged(bid_size: float) -> Stage:
    """An engine on the microprice, warm on an even book; then one with this size at its touch."""
    base = settings()
    strategy = structs.replace(base.strategy, microprice=True)
    stage = Stage(Engine(structs.replace(base, strategy=strategy), INSTRUMENT))
    stage.start()
    for number in range(10):
        stage.tick(100.0 * (1.0 + 1e-4 * (number % 2)))
    stage.ts += NS_PER_S
    bids = ((99.95, bid_size), (99.94, 50.0))
    stage.happen(Book(stage.ts, stage.ts, bids, ((100.05, 50.0), (100.06, 50.0))))
    stage.lone_tick(0.3)
    return stage


def test_quotes_follow_the_imbalance_and_stay_behind_the_touch() -> None:
    light, even, heavy, spoofed = (staged(size) for size in (20.0, 50.0, 120.0, 1e9))
    wanted = [
        stage.engine.quoting.ladder.levels(Side.BID)[0].price
        for stage in (light, even, heavy, spoofed)
    ]
    assert wanted == sorted(wanted)
    assert wanted[0] < wanted[1] < wanted[2]
    for stage in (light, even, heavy, spoofed):
        bid, ask = max(stage.prices(Side.BID)), min(stage.prices(Side.ASK))
        assert bid < ask
        assert float(bid) < 100.05
        assert float(ask) > 99.95
        view = stage.engine.view()
        assert view.market.fair is not None
        assert 99.95 <= view.market.fair <= 100.05
        assert view.market.sigma is not None
        assert math.isfinite(view.market.sigma.value)
