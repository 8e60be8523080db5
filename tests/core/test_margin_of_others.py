"""Margin that others on the account take is not ours to use; the way out stays open."""

from decimal import Decimal

import pytest

from mm.core.engine import Engine
from mm.core.portfolio import Exposure, Member, Portfolio
from mm.core.risk import OTHERS
from mm.core.settings import PortfolioSettings
from mm.model.actions import Place
from mm.model.beside import Beside
from mm.model.units import Side
from tests.core.stage import INSTRUMENT, Stage, settings

USD = Decimal
NAMED = f"risk limit: {OTHERS}"


@pytest.fixture
def stage() -> Stage:
    """At a leverage of five 10,000 USD bear 50,000, of which we may use 10,000."""
    found = Stage(Engine(settings(), INSTRUMENT))
    found.start()
    found.warm()
    return found


def most(stage: Stage, side: Side) -> float:
    limits = stage.engine.state.limits(100.0)
    return float(limits.most(side) * limits.fair)


def told(stage: Stage, equity: str = "10000", **taken: int) -> None:
    beside = Beside(**{name: USD(usd) for name, usd in taken.items()})
    stage.audit(equity=equity, beside=beside)
    stage.tick()
    stage.tick()


def test_what_is_left_over_limits_nothing(stage: Stage) -> None:
    told(stage, margin=7_900, bids=500)

    assert most(stage, Side.BID) == most(stage, Side.ASK) == pytest.approx(10_000)


def test_what_is_taken_is_missing_on_both_sides(stage: Stage) -> None:
    told(stage, margin=9_900, bids=100, asks=300)

    assert most(stage, Side.BID) == pytest.approx(400, rel=1e-3)
    assert most(stage, Side.ASK) == pytest.approx(200, rel=1e-3)


def test_a_side_without_margin_is_withdrawn_and_says_why(stage: Stage) -> None:
    told(stage, margin=9_000, bids=6_000)

    view = stage.engine.view()
    assert view.position.others_margin_usd == 9_000
    assert view.bid.blocked == NAMED
    assert view.ask.blocked == ""
    assert not [order for order in view.orders if order.side == "bid" and order.state == "open"]


def test_it_comes_back_with_the_margin(stage: Stage) -> None:
    told(stage, margin=20_000)
    assert {stage.engine.view().bid.blocked, stage.engine.view().ask.blocked} == {NAMED}

    stage.audit()
    assert {action.side for action in stage.tick() if isinstance(action, Place)} == set(Side)


def test_the_way_out_needs_no_margin(stage: Stage) -> None:
    stage.fill(Side.BID)
    told(stage, margin=20_000)

    view = stage.engine.view()
    assert (view.bid.blocked, view.ask.blocked) == (NAMED, "")


def test_the_way_out_past_foreign_orders_is_reduce_only(stage: Stage) -> None:
    """With them a plain order would lead beyond the position, and be refused."""
    stage.fill(Side.BID)
    told(stage, margin=20_000, asks=5_000)

    state = stage.engine.state
    leaving = [order for order in state.orders.side(Side.ASK) if order.live]
    assert leaving
    assert all(order.reduce_only for order in leaving)
    assert sum(order.remaining for order in leaving) <= state.pnl.position
    assert stage.engine.view().bid.blocked == NAMED


def test_losses_of_others_count_at_once(stage: Stage) -> None:
    """As no loss of ours, and no withdrawal until it stands still: but they are gone."""
    told(stage, equity="8000", margin=7_900)

    assert most(stage, Side.BID) == pytest.approx(500, rel=1e-3)
    assert stage.engine.state.equity == 10_000


def test_gains_of_others_wait_until_they_stand_still(stage: Stage) -> None:
    told(stage, equity="12000", margin=9_900)

    assert most(stage, Side.BID) == pytest.approx(500, rel=1e-3)


def test_several_instruments_lack_it_together() -> None:
    """100 of 300 USD are left, which bear 500; a foreign bid of 50 is borne as one of ours."""
    members = [Member(name, "", USD(10_000), USD(5), USD(10)) for name in ("BTC", "ETH")]
    of = Portfolio(PortfolioSettings(), members)
    of.see("BTC", Exposure(USD(200), USD(100), equity=USD(100), bids=USD(50)))
    of.see("ETH", Exposure(equity=USD(100)))

    eth, btc = of.allowance("ETH", 1), of.allowance("BTC", 1)
    assert eth is not None
    assert btc is not None
    assert (eth.long_usd, eth.short_usd) == (USD(250), USD(250))
    assert (btc.long_usd, btc.short_usd) == (USD(440), USD(490))
