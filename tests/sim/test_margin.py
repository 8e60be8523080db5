"""Margin tiers, and positions that live on a margin of their own."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from mm.model.custody import AdjustMargin, UpdateLeverage
from mm.model.exchange import Filled, FillReport, OrderSpec, Refused, Tif
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.accounts import Position
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.margin import Tiers, leverage_at, liquidation_unit, maintenance, tiers_of
from mm.sim.market import Background, MarketEvent, Oracle
from mm.sim.scripted import BTC, ScriptedMarket, Session, order

HOUR = 3_600_000
T0 = 472_222 * HOUR
A, B = "0x" + "a" * 40, "0x" + "b" * 40
BID, ASK = Side.BID, Side.ASK
USD = 1_000_000
TIERED = structs.replace(BTC, leverage_tiers=((400_000.0, 20), (1_000_000.0, 10)))
ETH = Instrument(name="ETH", asset=1, size_decimals=4, price_decimals=2)
TIERS: Tiers = tiers_of(TIERED)


class Bench(Session):
    exchange: Exchange


def opened(*events: MarketEvent) -> Bench:
    """BTC at 100,000 with tiers, ETH at 2,000; then `events` of BTC's."""
    btc: list[MarketEvent] = [quotes(0, 100_000.0), Oracle(T0, 100_000.0), *events]
    eth: list[MarketEvent] = [
        Background(T0, ((2_000.0, 1e3),), ((2_000.1, 1e3),)),
        Oracle(T0, 2_000.0),
    ]
    markets = [ScriptedMarket(TIERED, btc), ScriptedMarket(ETH, eth)]
    session = Bench(Exchange(markets, T0, ExchangeOptions()), T0)
    session.run(T0)
    return session


def quotes(ms: int, mid: float) -> Background:
    return Background(T0 + ms, ((mid - 10.0, 100.0),), ((mid + 10.0, 100.0),))


def fall(ms: int, mid: float) -> tuple[Background, Oracle]:
    return quotes(ms, mid), Oracle(T0 + ms, mid)


def cash(session: Bench, user: str = A) -> Decimal:
    return session.exchange.account(user, 0).cash


def isolated(session: Bench, size: str = "1", leverage: int = 10) -> None:
    assert session.ask(A, UpdateLeverage(0, is_cross=False, leverage=leverage)).error is None
    taken = session.place(A, order(BID, "100010", size, Tif.IOC))
    assert isinstance(taken, Filled)


# -- tiers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "leverage", "kept"),
    [
        (0, 40, 0),
        (100_000, 40, 1_250),
        (400_000, 20, 5_000),
        (500_000, 20, 5_000 + 2_500),
        (1_000_000, 10, 5_000 + 15_000),
        (3_000_000, 10, 5_000 + 15_000 + 100_000),
    ],
)
def test_each_slice_keeps_half_the_initial_margin_of_its_tier(
    usd: int, leverage: int, kept: int
) -> None:
    """The venue's formula: the tier's rate on all of it, less a deduction: continuous."""
    assert leverage_at(usd * USD, TIERS) == leverage
    assert maintenance(usd * USD, TIERS) == kept * USD
    deduction = {40: 0, 20: 400_000 / 80, 10: 400_000 / 80 + 1_000_000 / 40}[leverage]
    assert usd / (2 * leverage) - deduction == kept


@given(st.lists(st.integers(0, 10**13), min_size=2, max_size=20))
def test_maintenance_rises_without_a_jump(notionals: list[int]) -> None:
    for low, high in pairwise(sorted(notionals)):
        more = maintenance(high, TIERS) - maintenance(low, TIERS)
        assert 0 <= more <= (high - low) // 20 + len(TIERS)


@given(
    st.integers(-4_000_000, 4_000_000).filter(bool),
    st.integers(10_000, 2_000_000),
    st.integers(0, 10**13),
)
@example(-300_000, 1_000_000, 700_000 * USD)  # through both tiers
@example(1_200_000, 1_000_000, 800_000 * USD)
def test_the_liquidation_price_is_where_equity_meets_maintenance(
    size: int, unit: int, slack: int
) -> None:
    """Through whatever tiers the way leads."""
    edge = liquidation_unit(size, unit, slack, TIERS)
    now = maintenance(abs(size) * unit, TIERS)
    if edge is None:
        assert size > 0, "a short's margin is always reached"
        assert slack - size * unit + now >= -abs(size)
        return
    kept = maintenance(round(abs(size) * edge), TIERS)
    excess = slack + now + size * (edge - unit) - kept
    assert abs(excess) <= 1e-9 * (slack + abs(size) * (unit + edge)) + 10


def test_an_order_may_not_grow_into_a_tier_that_forbids_its_leverage() -> None:
    session = opened()
    assert session.ask(A, UpdateLeverage(0, is_cross=True, leverage=40)).error is None
    assert isinstance(session.place(A, order(BID, "100010", "3", Tif.IOC)), Filled)
    words = "Order would cause position to exceed margin tier limit at current leverage asset=0"
    assert session.place(A, order(BID, "99000", "1.1")) == Refused(words)
    assert session.exchange.historical_orders(A)[-1][1] == "perpMaxPositionRejected"
    assert session.ask(A, UpdateLeverage(0, is_cross=True, leverage=20)).error is None
    assert not isinstance(session.place(A, order(BID, "99000", "1.1")), Refused)
    assert session.ask(A, UpdateLeverage(0, is_cross=True, leverage=40)).error == (
        "Invalid leverage value"
    ), "a resting order reaches for the next tier"


def test_maintenance_of_a_large_position_is_that_of_its_tiers() -> None:
    session = opened()
    session.ask(A, UpdateLeverage(0, is_cross=True, leverage=20))
    session.place(A, order(BID, "100010", "5", Tif.IOC))
    state = session.exchange.account(A, 0)
    assert state.notional == 500_000
    assert state.maintenance_margin == 7_500
    assert state.margin_used == 25_000


# -- isolated -----------------------------------------------------------------------------------


def test_an_isolated_position_takes_its_margin_out_of_the_pool() -> None:
    session = opened()
    isolated(session)
    state = session.exchange.account(A, 0)
    (row,) = state.positions
    assert (row.is_cross, row.leverage) == (False, 10)
    assert row.margin_used == state.margin_used == Decimal(10_001) - 10
    assert state.withdrawable == state.cash - Decimal(10_001)
    assert state.maintenance_margin == 0, "the pool's"
    assert row.liquidation_price == Decimal("91148.4"), "(100,010 - 10,001) / (1 - 1/80)"


def test_only_the_isolated_position_is_liquidated() -> None:
    session = opened(*fall(1000, 91_100.0))
    isolated(session)
    before = cash(session)
    eth = OrderSpec(1, BID, Decimal("2000.1"), Decimal(1), Tif.IOC)
    assert isinstance(session.place(A, eth), Filled)
    session.place(A, OrderSpec(1, BID, Decimal(1900), Decimal(1), Tif.ALO))
    session.place(A, order(BID, "80000", "0.01"))
    told = session.run(T0 + 1000)

    fills = [event for event in told if isinstance(event, FillReport)]
    assert [one.direction for one in fills] == ["Liquidated Isolated Long"]
    state = session.exchange.account(A, 0)
    assert [row.coin for row in state.positions] == ["ETH"]
    assert [row.coin for row in session.exchange.open_orders(A)] == ["ETH"]
    assert before - Decimal(10_001) < state.cash < before
    assert session.exchange._accounts.imbalance() == 0


def test_it_never_costs_more_than_its_margin() -> None:
    session = opened(*fall(1000, 80_000.0))
    isolated(session)
    before = cash(session)
    session.run(T0 + 1000)
    assert cash(session) == before - Decimal(10_001)
    assert session.exchange._accounts.imbalance() == 0


def test_it_outlives_the_liquidation_of_the_pool() -> None:
    session = opened(*fall(1000, 90_500.0))
    session.ask(A, UpdateLeverage(1, is_cross=False, leverage=5))
    eth = OrderSpec(1, BID, Decimal("2000.1"), Decimal(10), Tif.IOC)
    assert isinstance(session.place(A, eth), Filled)
    session.place(A, OrderSpec(1, BID, Decimal(1900), Decimal(1), Tif.ALO))
    assert isinstance(session.place(A, order(BID, "100010", "9.5", Tif.IOC)), Filled)
    session.place(A, order(ASK, "110000", "0.1"))
    session.run(T0 + 1000)
    assert session.exchange.fills(A)[-1].direction == "Liquidated Cross Long"
    assert [row.coin for row in session.exchange.account(A, 0).positions] == ["ETH"]
    assert [row.coin for row in session.exchange.open_orders(A)] == ["ETH"]


def test_a_reduction_gives_back_its_share_and_the_profit() -> None:
    session = opened(*fall(1000, 110_000.0))
    isolated(session)
    session.run(T0 + 1000)
    before = session.exchange.account(A, 0)
    session.place(A, order(ASK, "109990", "0.5", Tif.IOC))
    after = session.exchange.account(A, 0)
    (row,) = after.positions
    assert row.margin_used == Decimal("5000.5") + row.unrealized_pnl
    profit = (Decimal(109_990) - 100_010) / 2
    fee = Decimal(109_990) / 2 * Decimal("0.00045")
    assert after.cash - before.cash == profit - fee
    session.place(A, order(ASK, "109990", "0.5", Tif.IOC))
    assert session.exchange.account(A, 0).margin_used == 0


def test_a_position_that_turns_round_begins_with_the_margin_of_what_is_left() -> None:
    session = opened()
    isolated(session)
    session.ask(A, AdjustMargin(0, 5_000 * USD))
    session.place(A, order(ASK, "99990", "1.5", Tif.IOC))
    (row,) = session.exchange.account(A, 0).positions
    assert row.size == Decimal("-0.5")
    assert row.margin_used == Decimal(99990) / 20 + row.unrealized_pnl


def test_funding_is_paid_from_its_own_margin() -> None:
    session = opened()
    isolated(session)
    (before,) = session.exchange.account(A, 0).positions
    session.run(T0 + HOUR)
    (after,) = session.exchange.account(A, 0).positions
    assert after.funding_since_open < 0
    assert after.margin_used - before.margin_used == after.funding_since_open


def test_less_leverage_takes_what_is_lacking_and_more_gives_nothing_back() -> None:
    session = opened()
    isolated(session)
    assert session.ask(A, UpdateLeverage(0, is_cross=False, leverage=5)).error is None
    assert session.exchange.account(A, 0).margin_used == 20_000
    assert session.ask(A, UpdateLeverage(0, is_cross=False, leverage=10)).error is None
    assert session.exchange.account(A, 0).margin_used == 20_000
    assert session.ask(A, AdjustMargin(0, -10_001 * USD)).error == "Insufficient balance."
    assert session.ask(A, AdjustMargin(0, -10_000 * USD)).error is None
    assert session.exchange.account(A, 0).margin_used == 10_000
    session.place(B, order(BID, "99000", "0.1"))
    assert session.ask(A, UpdateLeverage(0, is_cross=False, leverage=1)).error == (
        "Insufficient balance."
    )


def test_what_an_isolated_position_lives_on_carries_nothing_else() -> None:
    session = opened()
    isolated(session, "9", leverage=10)  # of 100,000 USD, 90,009 are put aside
    session.ask(A, UpdateLeverage(1, is_cross=True, leverage=10))
    big = OrderSpec(1, BID, Decimal(2_000), Decimal(50), Tif.ALO)
    assert session.place(A, big) == Refused("Insufficient margin to place order. asset=1")
    small = OrderSpec(1, BID, Decimal(2_000), Decimal(40), Tif.ALO)
    assert not isinstance(session.place(A, small), Refused)


@given(
    st.lists(
        st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**6)), min_size=1, max_size=40
    )
)
def test_a_flat_position_keeps_no_margin(trades: list[tuple[int, int]]) -> None:
    position = Position(leverage=7, tiers=TIERS, is_cross=False)
    for lots, unit in trades:
        position.trade(lots, unit)
        assert position.margin >= 0
        assert position.size or not position.margin
