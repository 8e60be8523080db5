"""Money: fees, profit, margin, liquidation, funding, all exact to the micro-dollar."""

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.custody import UpdateLeverage
from mm.model.exchange import FeeRates, FillReport, FundingReport, OrderSpec, Refused, Tif
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.accounts import Account, Position, fee
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.funding import Funding, hourly_rate, premium_of
from mm.sim.grid import Grid, micro_usd, usd
from mm.sim.market import Background, MarketEvent, Oracle, Taker
from mm.sim.orders import Order
from mm.sim.scripted import BTC, ScriptedMarket, Session, calm_market, order

HOUR = 3_600_000
T0 = 472_222 * HOUR
A, B = "0x" + "a" * 40, "0x" + "b" * 40
BID, ASK = Side.BID, Side.ASK


def opened(*events: MarketEvent, options: ExchangeOptions | None = None) -> Session:
    session = Session(Exchange([calm_market(T0, *events)], T0, options), T0)
    session.run(T0)
    return session


def book(ms: int, bid: float, ask: float, size: float = 100.0) -> Background:
    return Background(T0 + ms, ((bid, size),), ((ask, size),))


# -- integers -----------------------------------------------------------------------------------


def test_grid_is_exact_and_refuses_what_cannot_be() -> None:
    grid = Grid(BTC)
    assert grid.notional(grid.price(100_010.0), grid.size(0.00001)) == micro_usd(Decimal("1.0001"))
    coarse = Grid(Instrument(name="X", asset=0, size_decimals=1, price_decimals=2))
    assert coarse.notional(coarse.price(1.23), coarse.size(0.1)) == micro_usd(Decimal("0.123"))
    with pytest.raises(ValueError, match="must be at most 6"):
        Grid(Instrument(name="X", asset=0, size_decimals=5, price_decimals=2))


@pytest.mark.parametrize(
    ("notional", "rate", "paid"),
    [
        (1_000_000, 150_000, 150),
        (3_334, 150_000, 1),  # 0.5001 micro-USD
        (3_333, 150_000, 0),  # 0.49995
        (10_000, 150_000, 2),  # 1.5 rounds up
        (1_000_000, -20_000, -20),
    ],
)
def test_fees_round_to_the_micro_dollar(notional: int, rate: int, paid: int) -> None:
    assert fee(notional, rate) == paid


@given(
    st.lists(
        st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 10**6)), min_size=1, max_size=40
    ),
    st.integers(1, 10**6),
)
def test_realised_plus_unrealised_is_cash_flow(trades: list[tuple[int, int]], mark: int) -> None:
    """Whatever the rounding of the average entry, profit is what came in less what went out."""
    position = Position(leverage=20, tiers=((0, 40),))
    realised = sum(position.trade(lots, unit) for lots, unit in trades)
    flow = -sum(lots * unit for lots, unit in trades)
    assert position.size == sum(lots for lots, _ in trades)
    assert realised + position.unrealised(mark) == flow + position.size * mark
    assert position.size or not position.cost


# -- fills --------------------------------------------------------------------------------------


def test_fees_of_maker_and_taker() -> None:
    session = opened()
    session.place(A, order(BID, "99995", "0.01234"))
    session.place(B, order(ASK, "99995", "0.01234", Tif.IOC))

    maker, taker = session.exchange.fills(A)[0].fee, session.exchange.fills(B)[0].fee
    notional = Decimal(99_995) * Decimal("0.01234")
    assert maker == round(notional * Decimal("0.00015"), 6)
    assert taker == round(notional * Decimal("0.00045"), 6)
    assert session.exchange.account(A, 0).cash == 100_000 - maker
    assert session.exchange.fee_rates(A).maker == Decimal("0.00015")


def test_a_rebate_is_paid_to_the_maker() -> None:
    rates = FeeRates(maker=Decimal("-0.00002"), taker=Decimal("0.0003"))
    session = opened(options=ExchangeOptions(fees=rates))
    session.place(A, order(BID, "99995", "0.01"))
    session.place(B, order(ASK, "99995", "0.01", Tif.IOC))
    assert session.exchange.fills(A)[0].fee == Decimal("-0.019999")


def test_directions_profit_and_start_positions() -> None:
    session = opened()
    for side, price, size in (
        (BID, "100010", "0.2"),
        (BID, "100010", "0.1"),
        (ASK, "99990", "0.1"),
        (ASK, "99990", "0.5"),
        (ASK, "99990", "0.1"),
        (BID, "100010", "0.1"),
        (BID, "100010", "0.5"),
    ):
        session.place(A, order(side, price, size, Tif.IOC))

    fills = session.exchange.fills(A)
    assert [(f.direction, f.start_position, f.closed_pnl) for f in fills] == [
        ("Open Long", Decimal(0), Decimal(0)),
        ("Open Long", Decimal("0.2"), Decimal(0)),
        ("Close Long", Decimal("0.3"), Decimal(-2)),
        ("Long > Short", Decimal("0.2"), Decimal(-4)),
        ("Open Short", Decimal("-0.3"), Decimal(0)),
        ("Close Short", Decimal("-0.4"), Decimal(-2)),
        ("Short > Long", Decimal("-0.3"), Decimal(-6)),
    ]
    state = session.exchange.account(A, 0)
    (row,) = state.positions
    assert (row.size, row.entry_price) == (Decimal("0.2"), Decimal(100_010))
    assert state.cash == 100_000 - 14 - sum(f.fee for f in fills)
    assert state.equity == state.cash + row.unrealized_pnl
    assert row.unrealized_pnl == -2  # marked at the oracle


# -- margin -------------------------------------------------------------------------------------


def test_state_of_a_position() -> None:
    session = opened()
    session.place(A, order(BID, "100010", "1", Tif.IOC))
    session.place(A, order(BID, "99000", "1"))

    state = session.exchange.account(A, 0)
    (row,) = state.positions
    assert (state.notional, row.notional) == (Decimal(100_000), Decimal(100_000))
    assert (state.margin_used, row.margin_used) == (Decimal(5_000), Decimal(5_000))
    assert state.maintenance_margin == Decimal(1_250)
    assert state.withdrawable == state.equity - Decimal(9_950)  # the order's margin is held too
    assert row.liquidation_price == Decimal("55.7")  # lost 99,944: a 1/80 of it is left


def test_resting_orders_of_the_worse_side_are_what_counts() -> None:
    session = opened()
    session.place(A, order(BID, "99990", "19"))
    session.place(A, order(ASK, "100010", "19"))
    refused = session.place(A, order(BID, "99990", "1.1"))
    assert refused == Refused("Insufficient margin to place order. asset=0")
    session.ask(A, UpdateLeverage(0, True, 40))
    session.place(A, order(BID, "99990", "1.1"))
    assert len(session.exchange.open_orders(A)) == 3


def test_a_reducing_order_is_taken_without_margin() -> None:
    session = opened(book(1, 99_990.0, 100_010.0), book(1000, 96_000.0, 96_010.0), Oracle(T0, 96e3))
    session.run(T0 + 1)
    session.place(A, order(BID, "100010", "19", Tif.IOC))
    session.run(T0 + 1000)
    assert session.exchange.account(A, 0).equity < session.exchange.account(A, 0).margin_used
    assert isinstance(session.place(A, order(BID, "95990", "0.1")), Refused)
    session.place(A, order(ASK, "96010", "19"))
    assert len(session.exchange.open_orders(A)) == 1


def test_a_maker_without_margin_is_cancelled_at_the_match() -> None:
    hit = Taker(T0 + 2000, ASK, 96_500.0, None)
    session = opened(
        book(1, 99_990.0, 100_010.0),
        book(1000, 96_600.0, 96_610.0),
        Oracle(T0 + 1000, 96_605.0),
        hit,
    )
    session.run(T0 + 1)
    session.place(A, order(BID, "100010", "19", Tif.IOC))
    session.place(A, order(BID, "96500", "0.5"))
    session.place(B, order(BID, "96500", "0.5"))
    session.run(T0 + 2000)

    _, row_status, _ = session.exchange.historical_orders(A)[-1]
    assert row_status == "marginCanceled"
    assert len(session.exchange.fills(A)) == 1
    assert len(session.exchange.fills(B)) == 1


def test_liquidation_cancels_then_sells_what_the_book_takes() -> None:
    crash = book(1000, 94_000.0, 94_010.0, size=12.0)
    again = book(2000, 93_900.0, 93_910.0, size=12.0)
    session = opened(book(1, 99_990.0, 100_010.0), crash, Oracle(T0 + 1000, 94_005.0), again)
    session.run(T0 + 1)
    session.place(A, order(BID, "100010", "19", Tif.IOC))
    session.place(A, order(BID, "90000", "0.01"))
    told = session.run(T0 + 1000)

    fills = [f for f in told if isinstance(f, FillReport)]
    assert [(f.direction, f.trade.size, f.liquidated_user) for f in fills] == [
        ("Liquidated Cross Long", Decimal(12), A)
    ]
    assert not session.exchange.open_orders(A)
    assert session.exchange.historical_orders(A)[-1][1] == "liquidatedCanceled"
    session.run(T0 + 2000)
    assert session.exchange.account(A, 0).positions == ()


def test_a_counterparty_of_a_liquidation_is_told_whose_it_was() -> None:
    crash = Background(T0 + 1000, (), ((106_010.0, 1.0),))
    session = opened(book(1, 99_990.0, 100_010.0), Oracle(T0 + 900, 105_900.0), crash)
    session.run(T0 + 1)
    session.place(A, order(ASK, "99990", "19", Tif.IOC))
    session.place(B, order(ASK, "100020", "0.5"))
    session.run(T0 + 1000)

    fill = session.exchange.fills(B)[0]
    assert (fill.liquidated_user, fill.direction, fill.crossed) == (A, "Open Short", False)
    assert session.exchange.fills(A)[-1].direction == "Liquidated Cross Short"


def test_orders_on_other_markets_do_not_take_a_reduce_only_orders_room() -> None:
    eth = Instrument(name="ETH", asset=1, size_decimals=4, price_decimals=2)
    quotes = Background(T0, ((2000.0, 10.0),), ((2000.1, 10.0),))
    exchange = Exchange([calm_market(T0), ScriptedMarket(eth, [quotes])], T0)
    session = Session(exchange, T0)
    session.run(T0)
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    session.place(A, OrderSpec(1, BID, Decimal("2000.1"), Decimal(1), Tif.IOC))
    session.place(A, OrderSpec(1, ASK, Decimal(2001), Decimal(1), Tif.ALO, reduce_only=True))
    session.place(A, order(ASK, "99990", "0.5", Tif.IOC))
    assert [row.coin for row in exchange.open_orders(A)] == ["ETH"]


def test_liquidation_passes_by_what_is_flat() -> None:
    eth = Instrument(name="ETH", asset=1, size_decimals=4, price_decimals=2)
    quotes = Background(T0, ((2000.0, 10.0),), ((2000.1, 10.0),))
    crash = book(1000, 94_000.0, 94_010.0)
    btc = calm_market(T0, book(1, 99_990.0, 100_010.0), crash, Oracle(T0 + 1000, 94_005.0))
    exchange = Exchange([btc, ScriptedMarket(eth, [quotes])], T0)
    session = Session(exchange, T0)
    session.run(T0 + 1)
    for side, price in ((BID, "2000.1"), (ASK, "2000")):
        session.place(A, OrderSpec(1, side, Decimal(price), Decimal(1), Tif.IOC))
    session.place(B, order(BID, "100010", "0.1", Tif.IOC))
    session.place(A, order(BID, "100010", "19", Tif.IOC))
    session.run(T0 + 1000)
    assert exchange.account(A, 0).positions == ()
    assert [f.trade.coin for f in exchange.fills(A)] == ["ETH", "ETH", "BTC", "BTC"]
    assert len(exchange.fills(B)) == 1


def test_an_account_full_of_open_orders_forgets_none() -> None:
    account = Account("0xa")
    orders = [Order(oid, "0xa", 0, BID, 1000, 1, 1, Tif.ALO, False, None, 0) for oid in range(2001)]
    for each in orders:
        account.orders[each.oid] = each
        account.remember(each)
    assert account.find(0) is orders[0]


def test_liquidation_price_is_where_liquidation_happens() -> None:
    session = opened(book(1, 99_990.0, 100_010.0))
    session.run(T0 + 1)
    session.place(A, order(ASK, "99990", "19", Tif.IOC))
    (row,) = session.exchange.account(A, 0).positions
    price = row.liquidation_price
    assert price is not None
    unit = int(price * 10)
    position = Position(20, ((0, 40),), size=-1_900_000, cost=-1_900_000 * 999_900)
    cash = micro_usd(session.exchange.account(A, 0).cash)
    for at, safe in ((unit - 1, True), (unit + 1, False)):
        assert (cash + position.unrealised(at) >= position.maintenance_margin(at)) is safe


# -- funding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(0.0, 0.0000125), (0.0004, 0.0000125), (0.001, 0.0000625), (-0.001, -0.0000625), (1.0, 0.04)],
)
def test_hourly_rate(premium: float, rate: float) -> None:
    assert hourly_rate(premium) == pytest.approx(rate, abs=1e-12)


def test_premium_is_zero_while_the_oracle_is_inside_the_impact_prices() -> None:
    assert premium_of(99.0, 101.0, 100.0) == 0.0
    assert premium_of(101.0, 102.0, 100.0) == pytest.approx(0.01)
    assert premium_of(98.0, 99.0, 100.0) == pytest.approx(-0.01)


def test_premium_is_averaged_over_time() -> None:
    funding = Funding(0, None)
    funding.sample(5_000, lambda: 0.5)  # the instant itself is still open
    assert funding.premium == 0.0
    funding.sample(15_001, lambda: 0.3)
    funding.sample(20_001, lambda: 0.6)
    assert funding.premium == pytest.approx(0.375)
    funding.sample(60_000, lambda: None)
    assert funding.premium == pytest.approx(0.375)
    assert funding.settle(3_600_000) == 0.04
    assert funding.premium == 0.0


@given(st.lists(st.integers(1, 60_000), max_size=20))
def test_the_average_does_not_depend_on_when_it_is_taken(times: list[int]) -> None:
    def average(moments: list[int]) -> float:
        funding = Funding(0, None)
        for now_ms in moments:
            funding.sample(now_ms, partial(float, "0.25" if now_ms <= 30_000 else "0.75"))
        return funding.premium

    always = [30_000, 60_001]
    assert average(sorted([*times, *always])) == average(always)


def test_longs_pay_shorts_each_hour_at_the_oracle_price() -> None:
    session = opened()
    session.place(A, order(BID, "99995", "0.5"))
    session.place(B, order(ASK, "99995", "0.5", Tif.IOC))
    before = [session.exchange.account(user, 0).cash for user in (A, B)]
    assert session.exchange.next_ms() == T0 + HOUR
    told = session.run(T0 + 2 * HOUR)

    reports = [r for r in told if isinstance(r, FundingReport)]
    assert [(r.user, r.time_ms - T0, r.usdc) for r in reports] == [
        (A, HOUR, Decimal("-0.625")),
        (B, HOUR, Decimal("0.625")),
        (A, 2 * HOUR, Decimal("-0.625")),
        (B, 2 * HOUR, Decimal("0.625")),
    ]
    assert reports[0].rate == Decimal("0.0000125")
    assert session.exchange.account(A, 0).cash == before[0] - Decimal("1.25")
    assert session.exchange.account(B, 0).positions[0].funding_since_open == Decimal("1.25")
    assert session.exchange.fundings(A) == (reports[0], reports[2])
    assert len(session.exchange.funding_history("BTC", T0 + HOUR + 1)) == 1


def test_funding_rounds_half_up_for_the_payer_and_nothing_is_lost() -> None:
    session = opened()
    session.place(A, order(BID, "99995", "0.00051"))
    session.place(B, order(ASK, "99995", "0.00051", Tif.IOC))
    session.run(T0 + HOUR)  # 51 USD at 0.00125 %: 637.5 micro-USD
    assert session.exchange.fundings(A)[0].usdc == Decimal("-0.000638")
    assert session.exchange.fundings(B)[0].usdc == Decimal("0.000637")


def test_funding_since_open_starts_again_with_a_new_position() -> None:
    session = opened(options=ExchangeOptions(funding_rate=Decimal("0.0001")))
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    session.run(T0 + HOUR)
    session.place(A, order(ASK, "99990", "0.5", Tif.IOC))
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    (row,) = session.exchange.account(A, 0).positions
    assert (row.funding_since_open, row.funding_all_time) == (Decimal(0), Decimal(-5))


def test_a_book_above_the_oracle_makes_longs_pay_more() -> None:
    session = opened(Oracle(T0, 99_000.0))
    session.run(T0 + HOUR)
    ((_, rate, premium),) = session.exchange.funding_history("BTC", 0)
    assert premium == pytest.approx(Decimal("0.01"))
    assert rate == pytest.approx(Decimal("0.0011875"))


# -- context ------------------------------------------------------------------------------------


def test_context() -> None:
    session = opened()
    session.place(A, order(BID, "100020", "1.5", Tif.IOC))
    context = session.exchange.context("BTC")
    assert (context.mark, context.oracle) == (Decimal(100_000), Decimal(100_000))
    assert context.mid == Decimal("100005.0")
    assert (context.open_interest, context.day_base) == (Decimal("1.5"), Decimal("1.5"))
    assert context.day_notional == Decimal(150_020)
    assert (context.impact_bid, context.impact_ask) == (Decimal(99_990), Decimal(100_020))
    assert (context.premium, context.funding) == (Decimal(0), Decimal("0.0000125"))


def test_day_figures_forget_after_24_hours() -> None:
    session = opened()
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    session.run(T0 + 25 * HOUR)
    assert session.exchange.context("BTC").day_base == 0


def test_mark_without_oracle_or_book() -> None:
    quotes = Background(T0 + 1, ((100.0, 1.0),), ((102.0, 1.0),))
    empty = Background(T0 + 3000, (), ())
    market = ScriptedMarket(BTC, [quotes, Taker(T0 + 1000, BID, 102.0, 0.5), empty])
    session = Session(Exchange([market], T0), T0)
    marks = []
    for ms in (0, 1, 3000):
        session.run(T0 + ms)
        marks.append(session.exchange.context("BTC").mark)
    assert marks == [Decimal(0), Decimal(101), Decimal(102)]


@pytest.mark.parametrize(("oracle", "mark"), [(99_000, 99_990), (101_000, 100_010), (1e5, 1e5)])
def test_mark_is_the_oracle_held_inside_the_touch(oracle: float, mark: float) -> None:
    session = opened(Oracle(T0, float(oracle)))
    assert session.exchange.context("BTC").mark == Decimal(mark)


def test_usd_is_exact() -> None:
    assert usd(-1) == Decimal("-0.000001")
    assert micro_usd(usd(123_456_789)) == 123_456_789
