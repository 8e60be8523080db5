"""The block clock, what is told when, and that the same inputs always tell the same."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.custody import Noop
from mm.model.exchange import (
    Answer,
    BboReport,
    CancelOrders,
    Filled,
    FillReport,
    LocalExchange,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderReport,
    OrderSpec,
    PlaceOrders,
    Refused,
    Report,
    Request,
    Resting,
    Signed,
    Tif,
    TradeReport,
)
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.flow import GeneratedMarket
from mm.sim.market import Background, Oracle, Taker
from mm.sim.scenarios import PRESETS
from mm.sim.scripted import ScriptedMarket, Session, calm_market, order

T0 = 1_700_000_000_020  # not on a block boundary: the next are +30 and +100
A, B, C = ("0x" + letter * 40 for letter in "abc")
BID, ASK = Side.BID, Side.ASK


def opened(*events: Background | Taker | Oracle, seed: int = 1) -> Session:
    session = Session(Exchange([calm_market(T0, *events)], T0, ExchangeOptions(seed=seed)), T0)
    session.run(T0)
    return session


def submit(session: Session, user: str, request: Request) -> int:
    return session.exchange.submit(Signed(user, session.nonce(), request), session.now_ms)


def quote(side: Side, price: str, tif: Tif = Tif.ALO) -> PlaceOrders:
    return PlaceOrders((order(side, price, "0.01", tif),))


# -- the block clock ----------------------------------------------------------------------------


def test_actions_wait_for_the_next_block_boundary() -> None:
    session = opened()
    due_ms = (T0 // 70 + 1) * 70
    submit(session, A, quote(BID, "99995"))
    assert session.exchange.next_ms() == due_ms
    assert session.run(due_ms - 1) == []
    told = session.run(due_ms)
    assert [type(item) for item in told] == [Answer, BboReport, OrderReport]
    (row,) = session.exchange.open_orders(A)
    assert row.placed_ms == due_ms


def test_an_action_on_a_boundary_waits_a_whole_block() -> None:
    session = opened()
    boundary = (T0 // 70 + 1) * 70
    session.run(boundary)
    submit(session, A, Noop())
    assert session.exchange.next_ms() == boundary + 70


def test_an_action_submitted_ahead_of_time_waits_for_its_own_block() -> None:
    session = opened()
    later = Signed(A, session.nonce(), quote(BID, "99995"))
    ticket = session.exchange.submit(later, T0 + 500)
    assert session.ask(B, Noop()).error is None
    assert not session.exchange.open_orders(A)
    told = session.run(T0 + 600)
    assert [item.ticket for item in told if isinstance(item, Answer)] == [ticket]


def test_time_never_goes_back() -> None:
    session = opened()
    session.run(T0 + 1000)
    submit(session, A, Noop())
    late = session.exchange.submit(Signed(B, session.nonce(), Noop()), T0)
    assert session.exchange.advance(T0) == []
    (first, second) = session.run(T0 + 1080)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert second.ticket == late


def test_a_quiet_exchange_has_nothing_to_do_until_funding() -> None:
    session = opened()
    hour = 3_600_000
    assert session.exchange.next_ms() == (T0 // hour + 1) * hour
    assert session.run(T0 + 60_000) == []


def test_within_a_block_post_only_and_cancels_come_before_takers() -> None:
    session = opened()
    resting = session.place(A, order(BID, "99995", "0.01"))
    assert isinstance(resting, Resting)
    taker = submit(session, B, quote(ASK, "99996", Tif.IOC))
    cancel = submit(session, A, CancelOrders((OrderRef(0, oid=resting.oid),)))
    better = submit(session, C, quote(BID, "99996"))
    late = submit(session, B, quote(ASK, "99995", Tif.IOC))

    answers = [item for item in session.run(session.now_ms + 70) if isinstance(item, Answer)]

    assert [answer.ticket for answer in answers] == [better, cancel, taker, late]
    assert isinstance(answers[2].items[0], Filled)
    assert isinstance(answers[3].items[0], Refused)


@pytest.mark.parametrize(("always", "first"), [(False, True), (True, False)])
def test_a_modify_is_classed_by_its_new_order(always: bool, first: bool) -> None:
    session = opened()
    resting = session.place(A, order(BID, "99995", "0.01"))
    assert isinstance(resting, Resting)
    cancel = submit(session, B, CancelOrders((OrderRef(0, oid=1),)))
    change = Modification(resting.oid, order(BID, "99996", "0.01", Tif.GTC))
    modify = submit(session, A, ModifyOrders((change,), always))

    tickets = [a.ticket for a in session.run(session.now_ms + 70) if isinstance(a, Answer)]

    assert tickets == ([modify, cancel] if first else [cancel, modify])


def test_a_cancel_at_the_takers_own_millisecond_wins_and_one_later_loses() -> None:
    block = (T0 // 70 + 3) * 70
    for taker_ms, fills in ((block, 0), (block - 1, 1)):
        session = opened(Taker(taker_ms, ASK, 99_994.0, None))
        item = session.place(A, order(BID, "99995", "0.01"))
        assert isinstance(item, Resting)
        session.run(block - 70)
        submit(session, A, CancelOrders((OrderRef(0, oid=item.oid),)))
        session.run(block)
        assert len(session.exchange.fills(A)) == fills


def test_fills_carry_the_takers_millisecond() -> None:
    session = opened(Taker(T0 + 777, ASK, 99_994.0, None))
    session.place(A, order(BID, "99995", "0.01"))
    told = session.run(T0 + 1000)
    assert [type(item) for item in told] == [BboReport, TradeReport, FillReport, OrderReport]
    assert session.exchange.fills(A)[0].trade.time_ms == T0 + 777


# -- what is told -------------------------------------------------------------------------------


def test_the_touch_is_told_when_it_changes_once_per_moment() -> None:
    same = Background(T0 + 10, ((99_990.0, 1.0), (99_970.0, 5.0)), ((100_010.0, 1.0),))
    away = Background(T0 + 20, ((99_000.0, 1.0),), ((100_010.0, 1.0),))
    back = Background(T0 + 20, ((99_990.0, 1.0),), ((100_010.0, 1.0),))
    gone = Background(T0 + 30, (), ((100_010.0, 1.0),))
    session = Session(Exchange([calm_market(T0, same, away, back, gone)], T0), T0)
    told = session.run(T0 + 40)
    assert [(r.time_ms - T0, r.bid is None) for r in told if isinstance(r, BboReport)] == [
        (0, False),
        (30, True),
    ]


def test_book_merges_background_and_clients() -> None:
    session = opened()
    session.place(A, order(BID, "99990", "0.5"))
    session.place(A, order(BID, "99985", "0.25"))
    bids, asks = session.exchange.book("BTC", 2)
    assert bids == ((99_990.0, 1.5), (99_985.0, 0.25))
    assert asks == ((100_010.0, 1.0), (100_020.0, 2.0))
    assert session.exchange.book_counts("BTC", 3) == ((2, 1, 1), (1, 1))


def test_recent_trades_oldest_first() -> None:
    session = opened(Taker(T0 + 100, BID, 100_020.0, None))
    session.run(T0 + 200)
    prices = [trade.price for trade in session.exchange.recent_trades("BTC")]
    assert prices == [Decimal(100_010), Decimal(100_020)]


def test_a_taker_limit_between_two_prices_reaches_only_the_nearer() -> None:
    session = opened(
        Taker(T0 + 1, BID, 100_019.97, None),
        Taker(T0 + 2, ASK, 99_980.04, None),
        Taker(T0 + 3, BID, 100_010.0 + 1e-9, None),
        Taker(T0 + 4, ASK, 99_990.0 + 1e-9, None),
        Taker(T0 + 5, ASK, 99_990.0001, None),
    )
    session.run(T0 + 10)
    times = [trade.time_ms - T0 for trade in session.exchange.recent_trades("BTC")]
    assert times == [1, 2, 3, 4]


def test_the_end_of_a_recording_leaves_the_book_standing() -> None:
    session = opened(Oracle(T0 + 100, 100_000.0))
    exchange = session.exchange
    assert isinstance(exchange, Exchange)
    assert not exchange.ended
    session.run(T0 + 100)
    assert exchange.ended
    assert exchange.book("BTC", 1)[0] == ((99_990.0, 1.0),)
    assert isinstance(session.place(A, order(BID, "100010", "0.01", Tif.IOC)), Filled)


# -- several markets ----------------------------------------------------------------------------

ETH = Instrument(name="ETH", asset=4, size_decimals=4, price_decimals=2, max_leverage=25)


def two_markets() -> Exchange:
    eth = Background(T0 + 5, ((2000.0, 10.0),), ((2000.1, 10.0),))
    market = ScriptedMarket(ETH, [eth, Oracle(T0 + 5, 2000.0)])
    return Exchange([calm_market(T0), market], T0)


def test_two_markets_share_one_margin_pool() -> None:
    session = Session(two_markets(), T0)
    session.run(T0 + 10)
    session.place(A, order(BID, "99990", "15"))  # 75,000 of margin
    spec = OrderSpec(4, BID, Decimal("2000.1"), Decimal(10), Tif.IOC)
    assert isinstance(session.place(A, spec), Filled)
    big = OrderSpec(4, BID, Decimal("1999.9"), Decimal(250), Tif.ALO)
    assert session.place(A, big) == Refused("Insufficient margin to place order. asset=4")

    assert [i.name for i in session.exchange.instruments()] == ["BTC", "ETH"]
    assert [p.coin for p in session.exchange.account(A, 0).positions] == ["ETH"]
    assert session.exchange.book("ETH", 1)[0] == ((2000.0, 10.0),)


def test_markets_must_be_told_apart() -> None:
    for markets in ([], [calm_market(T0), calm_market(T0)]):
        with pytest.raises(ValueError, match="its own coin"):
            Exchange(markets, T0)


# -- determinism --------------------------------------------------------------------------------


def played(seed: int) -> list[Answer | Report]:
    """Two quoters for a virtual minute of a generated market."""
    market = GeneratedMarket(PRESETS["liquid"], seed, T0)
    exchange: LocalExchange = Exchange([market], T0, ExchangeOptions(seed=seed))
    session = Session(exchange, T0)
    for second in range(1, 60):
        session.run(T0 + 1000 * second)
        bids, asks = exchange.book("BTC", 1)
        for user in (A, B):
            for (price, _), side in ((bids[0], BID), (asks[0], ASK)):
                better = str(round(price + side * 3))
                submit(session, user, PlaceOrders((order(side, better, "0.01"),)))
    return session.told


def test_same_seed_same_reports() -> None:
    first = played(7)
    assert first == played(7)
    assert any(isinstance(item, FillReport) for item in first)
    assert first != played(8)


@given(st.lists(st.integers(1, 20_000), max_size=20))
def test_however_time_is_cut_the_same_is_told(steps: list[int]) -> None:
    """A driver may look at every millisecond or once a minute."""

    def told(stops: list[int]) -> list[Answer | Report]:
        exchange = Exchange([GeneratedMarket(PRESETS["liquid"], 3, T0)], T0)
        for second in range(2, 18):
            quotes = tuple(
                order(side, str(64_000 - side * (15 + second)), "0.01", Tif.GTC) for side in Side
            )
            action = Signed(A, T0 + second, PlaceOrders(quotes))
            exchange.submit(action, T0 + 1000 * second + 7)
        return [item for stop in stops for item in exchange.advance(T0 + stop)]

    assert told([*sorted(steps), 20_000]) == told([20_000])


def test_the_seed_enters_trade_ids() -> None:
    ids = []
    for seed in (1, 2):
        session = opened(Taker(T0 + 1, ASK, 99_990.0, None), seed=seed)
        session.run(T0 + 2)
        ids.append(session.exchange.recent_trades("BTC")[0].trade_id)
    assert ids[0] != ids[1]
    assert all(tid < 1 << 50 for tid in ids)
