"""From request to status: the venue's words, replace semantics, reduce-only, self-trade."""

from decimal import Decimal

import pytest

from mm.model.exchange import (
    CancelOrders,
    Done,
    Filled,
    FillReport,
    Item,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderReport,
    OrderSpec,
    PlaceOrders,
    Refused,
    Resting,
    Tif,
    TradeReport,
)
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background, Taker
from mm.sim.scripted import BTC, ScriptedMarket, Session, calm_market, order

T0 = 1_700_000_000_000
A, B = "0x" + "a" * 40, "0x" + "b" * 40
BID, ASK = Side.BID, Side.ASK
CLOID = "0x" + "12" * 16


@pytest.fixture
def session() -> Session:
    opened = Session(Exchange([calm_market(T0)], T0), T0)
    opened.run(T0)
    return opened


def statuses(session: Session, user: str = A) -> list[tuple[int, str]]:
    """(nth distinct order of the user, status) in the order told, numbered from 1."""
    reports = [r for r in session.told if isinstance(r, OrderReport) and r.user == user]
    oids = sorted({r.order.oid for r in reports})
    return [(oids.index(r.order.oid) + 1, str(r.status)) for r in reports]


def rest(session: Session, user: str, spec: OrderSpec) -> int:
    item = session.place(user, spec)
    assert isinstance(item, Resting), item
    return item.oid


def message(item: Item) -> str:
    assert isinstance(item, Refused), item
    return item.message


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words", "status"),
    [
        (order(BID, "99990", "0"), "Order has zero size.", None),
        (order(BID, "99990", "-1"), "Order has invalid size.", None),
        (order(BID, "99990", "NaN"), "Order has invalid size.", None),
        (order(BID, "99990", "0.000001"), "Order has invalid size.", None),
        (order(BID, "0", "0.01"), "Order has invalid price.", None),
        (order(BID, "Infinity", "0.01"), "Order has invalid price.", None),
        (order(BID, "99990.12", "0.01"), "Order has invalid price.", None),
        (order(BID, "99990.1", "0.01"), "Price must be divisible by tick size.", "tickRejected"),
        (
            order(BID, "99990", "0.0001"),
            "Order must have minimum value of $10.",
            "minTradeNtlRejected",
        ),
        (
            order(BID, "99990", "30"),
            "Insufficient margin to place order.",
            "perpMarginRejected",
        ),
        (
            order(ASK, "100010", "30"),
            "Insufficient margin to place order.",
            "perpMarginRejected",
        ),
        (
            order(BID, "99990", "0.01", Tif.GTC, reduce_only=True),
            "Reduce only order would increase position.",
            "reduceOnlyRejected",
        ),
        (
            order(BID, "100010", "0.01"),
            "Post only order would have immediately matched, bbo was 99990@100010.",
            "badAloPxRejected",
        ),
        (
            order(BID, "100000", "0.01", Tif.IOC),
            "Order could not immediately match against any resting orders.",
            "iocCancelRejected",
        ),
        (
            order(BID, "19999", "0.01"),
            "Order price cannot be more than 80% away from the reference price",
            "oracleRejected",
        ),
        (
            order(ASK, "180001", "0.01"),
            "Order price cannot be more than 80% away from the reference price",
            "oracleRejected",
        ),
    ],
)
def test_refusals(session: Session, spec: OrderSpec, words: str, status: str | None) -> None:
    assert message(session.place(A, spec)) == f"{words} asset=0"
    assert statuses(session) == ([] if status is None else [(1, status)])
    assert not session.exchange.open_orders(A)
    history = session.exchange.historical_orders(A)
    assert [word for _, word, _ in history] == ([] if status is None else [status])


def test_at_the_band_minimum_and_leverage_limit_orders_are_taken(session: Session) -> None:
    rest(session, A, order(BID, "20000", "0.0005"))
    rest(session, B, order(BID, "99990", "20"))


def test_unknown_asset(session: Session) -> None:
    spec = OrderSpec(7, BID, Decimal(1), Decimal(100), Tif.ALO)
    assert message(session.place(A, spec)) == "Order has invalid asset. asset=7"


def test_spot_is_refused_in_so_many_words(session: Session) -> None:
    spec = OrderSpec(10_000, BID, Decimal(1), Decimal(100), Tif.ALO)
    said = message(session.place(A, spec))
    assert said == "Spot is not supported by this exchange. asset=10000"


def test_a_cloid_of_an_open_order_is_refused_and_free_again_afterwards(session: Session) -> None:
    spec = order(BID, "99000", "0.01", cloid=CLOID.upper().replace("X", "x"))
    rest(session, A, spec)
    assert message(session.place(A, spec)) == "Order with this cloid is already open. asset=0"
    session.ask(A, CancelOrders((OrderRef(0, cloid=CLOID),)))
    again = session.place(A, spec)
    assert isinstance(again, Resting)
    found = session.exchange.order_status(A, CLOID)
    assert found is not None
    assert found[0].oid == again.oid


def test_open_order_limit_counts_resting_orders_only() -> None:
    options = ExchangeOptions(enforce_budget=False)
    session = Session(Exchange([calm_market(T0)], T0, options), T0)
    session.run(T0)
    specs = tuple(order(BID, str(90_000 + i), "0.0002") for i in range(200))
    for _ in range(5):
        answer = session.ask(A, PlaceOrders(specs))
        assert all(isinstance(item, Resting) for item in answer.items)

    assert message(session.place(A, specs[0])) == "Too many open orders. asset=0"
    assert isinstance(session.place(A, order(BID, "100010", "0.001", Tif.IOC)), Filled)


def test_volume_raises_the_limit_but_not_for_reduce_only() -> None:
    exchange = Exchange([calm_market(T0)], T0, ExchangeOptions(enforce_budget=False))
    session = Session(exchange, T0)
    session.run(T0)
    session.place(A, order(BID, "100010", "0.01", Tif.IOC))
    for _ in range(5):
        session.ask(A, PlaceOrders(tuple([order(BID, "90000", "0.0002")] * 200)))
    exchange._accounts.by_user[A].volume = 5_000_000 * 10**6

    reducing = session.place(A, order(ASK, "100100", "0.01", reduce_only=True))
    assert message(reducing) == "Too many open orders. asset=0"
    rest(session, A, order(BID, "90000", "0.0002"))
    assert message(session.place(A, order(BID, "90000", "0.0002"))).startswith("Too many open")


# -- trading ------------------------------------------------------------------------------------


def test_taker_walks_the_book_and_pays_the_average(session: Session) -> None:
    item = session.place(A, order(BID, "100020", "1.5", Tif.IOC))

    assert isinstance(item, Filled)
    assert item.total_size == Decimal("1.5")
    assert item.average_price == round(Decimal("100013.333333333"), 6)
    prices = [t.price for t in session.told if isinstance(t, TradeReport)]
    assert prices == [Decimal(100_010), Decimal(100_020)]
    assert statuses(session) == [(1, "open"), (1, "filled")]


def test_ioc_fills_what_it_can_and_the_rest_vanishes(session: Session) -> None:
    item = session.place(A, order(BID, "100010", "1.2", Tif.IOC))

    assert isinstance(item, Filled)
    assert item.total_size == 1
    assert not session.exchange.open_orders(A)


def test_gtc_fills_what_it_can_and_the_rest_rests(session: Session) -> None:
    item = session.place(A, order(BID, "100010", "1.2", Tif.GTC, cloid=CLOID))

    assert isinstance(item, Filled)
    assert (item.total_size, item.cloid) == (Decimal(1), CLOID)
    (row,) = session.exchange.open_orders(A)
    assert (row.price, row.remaining, row.original) == (
        Decimal(100_010),
        Decimal("0.2"),
        Decimal("1.2"),
    )
    assert statuses(session) == [(1, "open")]


def test_both_parties_see_one_trade_id_and_their_own_side(session: Session) -> None:
    maker_oid = rest(session, A, order(BID, "99995", "0.02"))
    taken = session.place(B, order(ASK, "99995", "0.01", Tif.IOC))

    maker, taker = session.exchange.fills(A)[0], session.exchange.fills(B)[0]
    assert isinstance(taken, Filled)
    assert maker.trade == taker.trade
    assert (maker.oid, maker.crossed, maker.side) == (maker_oid, False, BID)
    assert (taker.oid, taker.crossed, taker.side) == (taken.oid, True, ASK)
    assert (maker.trade.buyer, maker.trade.seller, maker.trade.aggressor) == (A, B, ASK)
    assert maker.trade.trade_id < 1 << 50
    assert statuses(session) == [(1, "open")]  # a partial fill is no transition


def test_order_status_keeps_its_size_until_the_next_status_and_the_list_is_live(
    session: Session,
) -> None:
    oid = rest(session, A, order(BID, "99995", "0.02"))
    session.place(B, order(ASK, "99995", "0.015", Tif.IOC))

    found = session.exchange.order_status(A, oid)
    assert found is not None
    assert found[0].remaining == Decimal("0.02")
    assert session.exchange.open_orders(A)[0].remaining == Decimal("0.005")


def test_self_trade_cancels_the_resting_order_and_goes_on(session: Session) -> None:
    rest(session, A, order(ASK, "100005", "0.5"))
    rest(session, B, order(ASK, "100006", "0.5"))

    item = session.place(A, order(BID, "100006", "0.2", Tif.IOC))

    assert isinstance(item, Filled)
    assert item.average_price == 100_006
    assert statuses(session) == [(1, "open"), (2, "open"), (1, "selfTradeCanceled"), (2, "filled")]
    assert len([t for t in session.told if isinstance(t, TradeReport)]) == 1


def test_ioc_that_meets_only_its_owner_fills_nothing(session: Session) -> None:
    rest(session, A, order(ASK, "100005", "0.5"))

    words = message(session.place(A, order(BID, "100005", "0.2", Tif.IOC)))

    assert words == "Order could not immediately match against any resting orders. asset=0"
    assert not session.exchange.open_orders(A)
    assert not session.exchange.fills(A)


def test_a_moving_background_trades_with_what_it_crosses() -> None:
    falls = Background(T0 + 1000, ((99_900.0, 1.0),), ((99_950.0, 0.3), (99_960.0, 1.0)))
    session = Session(Exchange([calm_market(T0, falls)], T0), T0)
    session.run(T0)
    rest(session, A, order(BID, "99980", "0.5"))
    rest(session, A, order(BID, "99955", "0.5"))

    fills = [f for f in session.run(T0 + 1000) if isinstance(f, FillReport)]

    assert [(f.trade.price, f.trade.size, f.crossed) for f in fills] == [
        (Decimal(99_980), Decimal("0.3"), False),
        (Decimal(99_980), Decimal("0.2"), False),
    ]
    bids, asks = session.exchange.book("BTC", 5)
    assert bids[0] == (99_955.0, 0.5)
    assert asks == ((99_960.0, 0.8),)


def test_asks_are_crossed_alike() -> None:
    rises = Background(T0 + 1000, ((100_050.0, 1.0),), ((100_060.0, 1.0),))
    session = Session(Exchange([calm_market(T0, rises)], T0), T0)
    session.run(T0)
    rest(session, A, order(ASK, "100010", "0.5"))
    session.run(T0 + 1000)

    (fill,) = session.exchange.fills(A)
    assert (fill.trade.price, fill.trade.aggressor, fill.trade.time_ms) == (
        Decimal(100_010),
        BID,
        T0 + 1000,
    )


# -- cancel -------------------------------------------------------------------------------------


def test_cancel_by_oid_and_cloid_once(session: Session) -> None:
    oid = rest(session, A, order(BID, "99000", "0.01"))
    rest(session, A, order(BID, "99001", "0.01", cloid=CLOID))
    refs = (
        OrderRef(0, oid=oid),
        OrderRef(0, cloid=CLOID.upper().replace("X", "x")),
        OrderRef(0, oid=oid),
        OrderRef(0, cloid="0x" + "00" * 16),
    )

    answer = session.ask(A, CancelOrders(refs))

    gone = Refused("Order was never placed, already canceled, or filled. asset=0")
    assert answer.items == (Done(), Done(), gone, gone)
    assert statuses(session) == [(1, "open"), (2, "open"), (1, "canceled"), (2, "canceled")]


def test_nobody_cancels_anothers_order_or_on_another_asset(session: Session) -> None:
    oid = rest(session, A, order(BID, "99000", "0.01"))

    assert isinstance(session.ask(B, CancelOrders((OrderRef(0, oid=oid),))).items[0], Refused)
    assert isinstance(session.ask(A, CancelOrders((OrderRef(1, oid=oid),))).items[0], Refused)
    assert len(session.exchange.open_orders(A)) == 1


# -- modify -------------------------------------------------------------------------------------


def modify(
    session: Session, target: int | str, spec: OrderSpec, always_place: bool = False
) -> Item:
    return session.ask(A, ModifyOrders((Modification(target, spec),), always_place)).items[0]


def test_modify_gives_a_new_oid_keeps_the_cloid_and_loses_time_priority(session: Session) -> None:
    oid = rest(session, A, order(BID, "99995", "0.01", cloid=CLOID))
    rest(session, B, order(BID, "99995", "0.01"))

    item = modify(session, CLOID, order(BID, "99995", "0.02"))

    assert isinstance(item, Resting)
    assert item.oid > oid
    assert item.cloid == CLOID
    assert statuses(session) == [(1, "open"), (1, "canceled"), (2, "open")]
    session.place("0x" + "c" * 40, order(ASK, "99995", "0.01", Tif.IOC))
    assert (len(session.exchange.fills(A)), len(session.exchange.fills(B))) == (0, 1)


def test_modify_of_what_is_gone_places_nothing(session: Session) -> None:
    words = message(modify(session, 5, order(BID, "99995", "0.01")))
    assert words == "Cannot modify canceled or filled order asset=0"
    assert not session.exchange.open_orders(A)


def test_modify_that_always_places_does_so_even_then(session: Session) -> None:
    item = modify(session, 5, order(BID, "99995", "0.01", Tif.GTC), always_place=True)
    assert isinstance(item, Resting)


def test_failed_replacement_leaves_the_old_order_gone(session: Session) -> None:
    oid = rest(session, A, order(BID, "99995", "0.01"))

    words = message(modify(session, oid, order(BID, "100010", "0.01")))

    assert words == (
        "Error placing new order during modify: Post only order would have immediately matched, "
        "bbo was 99990@100010. asset=0"
    )
    assert not session.exchange.open_orders(A)


@pytest.mark.parametrize("tif", [Tif.GTC, Tif.ALO])
def test_a_modify_never_crosses_and_always_ends_post_only(session: Session, tif: Tif) -> None:
    oid = rest(session, A, order(BID, "99995", "0.01", Tif.GTC))
    item = modify(session, oid, order(BID, "99996", "0.01", tif))
    assert isinstance(item, Resting)
    assert session.exchange.open_orders(A)[0].tif is Tif.ALO
    assert isinstance(modify(session, item.oid, order(BID, "100010", "0.01", tif)), Refused)


def test_ioc_replacement_needs_always_place(session: Session) -> None:
    first = rest(session, A, order(BID, "99995", "0.01"))
    second = rest(session, A, order(BID, "99996", "0.01"))
    taker = order(BID, "100010", "0.01", Tif.IOC)

    assert message(modify(session, first, taker)).startswith("Error placing new order during modif")
    assert isinstance(modify(session, second, taker, always_place=True), Filled)


# -- reduce-only --------------------------------------------------------------------------------


@pytest.fixture
def long(session: Session) -> Session:
    """A holds 0.5 BTC."""
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    session.told.clear()
    return session


def test_reduce_only_is_cut_to_the_position(long: Session) -> None:
    rest(long, A, order(ASK, "100100", "2", reduce_only=True))
    (row,) = long.exchange.open_orders(A)
    assert (row.remaining, row.original, row.reduce_only) == (Decimal("0.5"), Decimal(2), True)

    item = long.place(A, order(ASK, "99990", "2", Tif.IOC, reduce_only=True))
    assert isinstance(item, Filled)
    assert item.total_size == Decimal("0.5")
    assert long.exchange.account(A, long.now_ms).positions == ()


def test_reduce_only_of_the_wrong_side_is_refused(long: Session) -> None:
    assert isinstance(long.place(A, order(BID, "99000", "0.1", reduce_only=True)), Refused)


def test_a_small_reduce_only_order_must_close_everything(session: Session) -> None:
    session.place(A, order(BID, "100010", "0.0002", Tif.IOC))
    session.place(A, order(ASK, "99990", "0.00015", Tif.IOC))  # leaves 5 USD

    small = order(ASK, "99990", "0.00004", Tif.IOC, reduce_only=True)
    assert message(session.place(A, small)).startswith("Order must have minimum value of $10.")
    whole = order(ASK, "99990", "0.00005", Tif.IOC, reduce_only=True)
    assert isinstance(session.place(A, whole), Filled)


def test_a_newer_reduce_only_order_takes_the_room_of_older_ones(long: Session) -> None:
    first = rest(long, A, order(ASK, "100100", "0.2", reduce_only=True))
    second = rest(long, A, order(ASK, "100110", "0.3", reduce_only=True))
    third = rest(long, A, order(ASK, "100120", "0.1", reduce_only=True))

    assert [row.oid for row in long.exchange.open_orders(A)] == [second, third]
    assert statuses(long)[-2:] == [(1, "reduceOnlyCanceled"), (3, "open")]
    assert first < second


def test_as_many_older_ones_go_as_the_newer_one_needs(long: Session) -> None:
    for price in ("100100", "100110", "100120"):
        rest(long, A, order(ASK, price, "0.15", reduce_only=True))
    newest = rest(long, A, order(ASK, "100130", "0.25", reduce_only=True))

    prices = [int(row.price) for row in long.exchange.open_orders(A)]
    assert prices == [100_120, 100_130]
    assert long.exchange.open_orders(A)[-1].oid == newest


def test_resting_reduce_only_orders_shrink_and_end_with_the_position(long: Session) -> None:
    rest(long, A, order(ASK, "100100", "0.2", reduce_only=True))
    rest(long, A, order(ASK, "100110", "0.3", reduce_only=True))

    long.place(A, order(ASK, "99990", "0.1", Tif.IOC))
    assert [r.remaining for r in long.exchange.open_orders(A)] == [Decimal("0.1"), Decimal("0.3")]

    long.place(A, order(ASK, "99990", "0.15", Tif.IOC))
    assert [r.remaining for r in long.exchange.open_orders(A)] == [Decimal("0.25")]

    long.place(A, order(ASK, "99980", "1", Tif.IOC))  # flips short
    assert not long.exchange.open_orders(A)
    assert [status for _, status in statuses(long)].count("reduceOnlyCanceled") == 2


def test_a_maker_that_is_reduce_only_stops_at_flat() -> None:
    buys = Taker(T0 + 5000, BID, 100_500.0, None)
    session = Session(Exchange([calm_market(T0, buys)], T0), T0)
    session.run(T0)
    session.place(A, order(BID, "100010", "0.5", Tif.IOC))
    rest(session, A, order(ASK, "100100", "0.5", reduce_only=True))
    rest(session, A, order(ASK, "100090", "0.5"))
    session.run(T0 + 6000)

    assert session.exchange.account(A, 0).positions == ()
    assert statuses(session)[-2:] == [(3, "filled"), (2, "reduceOnlyCanceled")]


# -- the record ---------------------------------------------------------------------------------


def test_history_keeps_2000_orders_and_forgets_the_oldest_closed() -> None:
    options = ExchangeOptions(enforce_budget=False)
    session = Session(Exchange([calm_market(T0)], T0, options), T0)
    session.run(T0)
    open_oid = rest(session, A, order(BID, "99000", "0.01"))
    closed_oid = rest(session, A, order(BID, "99001", "0.01", cloid=CLOID))
    session.ask(A, CancelOrders((OrderRef(0, oid=closed_oid),)))
    bad = tuple([order(BID, "100010", "0.01")] * 200)
    for _ in range(10):
        session.ask(A, PlaceOrders(bad))

    assert len(session.exchange.historical_orders(A)) == 2000
    assert session.exchange.order_status(A, open_oid) is not None
    assert session.exchange.order_status(A, closed_oid) is None
    assert session.exchange.order_status(A, CLOID) is None


def test_a_market_without_prices_takes_any_price() -> None:
    session = Session(Exchange([ScriptedMarket(BTC)], T0), T0)
    rest(session, A, order(BID, "5", "10"))
    assert session.exchange.context("BTC").mid is None
