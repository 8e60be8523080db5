"""How our orders wait behind the size that was displayed before them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.exchange import FillReport, Tif, TradeReport
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background, MarketEvent, Taker
from mm.sim.queue import Conservative, Place, ProRata, QueueModel
from mm.sim.scripted import Session, calm_market, order

T0 = 1_700_000_000_000
BID = Side.BID


def fills_of(
    *events: MarketEvent, price: str = "99990", size: str = "0.5", queue: QueueModel = Conservative
) -> list[tuple[int, Decimal, Decimal]]:
    """(ms after start, price, size) of the fills of one bid placed behind 1 BTC at 99,990."""
    exchange = Exchange([calm_market(T0, *events)], T0, ExchangeOptions(queue=queue))
    session = Session(exchange, T0)
    session.place("0xa", order(BID, price, size, Tif.GTC))
    session.run(T0 + 60_000)
    return [(f.trade.time_ms - T0, f.trade.price, f.trade.size) for f in exchange.fills("0xa")]


def sell(ms: int, price: float, size: float | None) -> Taker:
    return Taker(T0 + ms, Side.ASK, price, size)


def shows(ms: int, *bids: tuple[float, float]) -> Background:
    return Background(T0 + ms, bids, ((100_010.0, 1.0),))


def test_prints_at_our_price_take_the_queue_ahead_first() -> None:
    assert fills_of(sell(1000, 99_990.0, 0.6)) == []
    assert fills_of(sell(1000, 99_990.0, 0.6), sell(2000, 99_990.0, 0.5)) == [
        (2000, Decimal("99990.0"), Decimal("0.1"))
    ]


def test_a_print_through_our_price_fills_us_at_our_price() -> None:
    assert fills_of(sell(1000, 99_985.0, 2.0)) == [(1000, Decimal("99990.0"), Decimal("0.5"))]


def test_a_print_through_our_price_gives_no_more_than_it_had() -> None:
    assert fills_of(sell(1000, 99_985.0, 0.2), sell(2000, 99_985.0, 0.2)) == [
        (1000, Decimal("99990.0"), Decimal("0.2")),
        (2000, Decimal("99990.0"), Decimal("0.2")),
    ]


def test_a_print_leaves_no_better_background_standing() -> None:
    exchange = Exchange([calm_market(T0, sell(1000, 99_985.0, 0.5))], T0)
    exchange.advance(T0 + 1000)
    assert exchange.book("BTC", 5)[0] == ((99_980.0, 2.0),)


def test_a_print_above_our_bid_does_nothing() -> None:
    assert fills_of(sell(1000, 99_995.0, 50.0)) == []


def test_an_order_that_improves_the_price_has_nobody_ahead() -> None:
    assert fills_of(sell(1000, 99_995.0, 0.2), price="99995") == [
        (1000, Decimal("99995.0"), Decimal("0.2"))
    ]


def test_growth_behind_us_changes_nothing_and_shrinkage_below_the_queue_moves_us_up() -> None:
    grown = shows(500, (99_990.0, 5.0))
    shrunk = shows(500, (99_990.0, 0.3))
    trade = sell(1000, 99_990.0, 1.1)

    assert fills_of(grown, trade) == [(1000, Decimal("99990.0"), Decimal("0.1"))]
    assert fills_of(shrunk, shows(600, (99_990.0, 0.2)), sell(1000, 99_990.0, 0.4)) == [
        (1000, Decimal("99990.0"), Decimal("0.1"))  # the last drop, 0.1, is paid first
    ]


def test_a_trade_counts_once_whether_book_or_tape_tells_first() -> None:
    book, tape = shows(1000, (99_990.0, 0.4)), sell(1000, 99_990.0, 0.6)
    rest, more = sell(2000, 99_990.0, 0.4), sell(3000, 99_990.0, 0.1)
    models: tuple[QueueModel, ...] = (Conservative, ProRata)

    for queue in models:
        for first, second in ((book, tape), (tape, book)):
            assert fills_of(first, second, rest, queue=queue) == []
            assert fills_of(first, second, rest, more, queue=queue) == [
                (3000, Decimal("99990.0"), Decimal("0.1"))
            ]


def test_a_trade_that_the_book_told_first_left_from_the_front() -> None:
    joined = shows(400, (99_990.0, 3.0))  # 2 BTC behind us
    told = (joined, shows(500, (99_990.0, 2.4)), sell(600, 99_990.0, 0.6))

    assert fills_of(*told, sell(900, 99_990.0, 0.4), queue=ProRata) == []
    assert fills_of(*told, sell(900, 99_990.0, 0.5), queue=ProRata) == [
        (900, Decimal("99990.0"), Decimal("0.1"))
    ]


def test_a_level_that_leaves_the_display_keeps_its_queue() -> None:
    away = shows(500, (100_000.0, 1.0))
    back = shows(600, (100_000.0, 1.0), (99_990.0, 1.0))
    assert fills_of(away, back, sell(1000, 99_990.0, 0.9)) == []


def test_an_order_beyond_the_display_joins_when_its_level_appears() -> None:
    appears = shows(500, (99_990.0, 1.0), (99_970.0, 2.0))
    trade = sell(1000, 99_970.0, 2.2)
    assert fills_of(appears, trade, price="99970") == [(1000, Decimal("99970.0"), Decimal("0.2"))]


def test_the_tape_keeps_the_recorded_size() -> None:
    exchange = Exchange([calm_market(T0, sell(1000, 99_990.0, 1.2))], T0)
    session = Session(exchange, T0)
    session.place("0xa", order(BID, "99990", "0.5", Tif.GTC))
    told = session.run(T0 + 2000)

    trades = [t for t in told if isinstance(t, TradeReport)]
    assert sum(t.size for t in trades) == Decimal("1.2")
    assert [f.trade.size for f in told if isinstance(f, FillReport)] == [Decimal("0.2")]
    assert exchange.book("BTC", 1)[0] == ((99_990.0, 0.3),)


def test_a_sweep_takes_everything_in_reach_and_the_background_stands_again() -> None:
    exchange = Exchange([calm_market(T0, sell(1000, 99_979.9, None))], T0)
    session = Session(exchange, T0)
    for price in ("99990", "99985", "99979", "99980"):
        session.place("0xa", order(BID, price, "0.5", Tif.GTC))
    told = session.run(T0 + 2000)

    tape = [(t.price, t.size) for t in told if isinstance(t, TradeReport)]
    assert tape == [
        (Decimal("99990.0"), Decimal(1)),
        (Decimal("99990.0"), Decimal("0.5")),
        (Decimal("99985.0"), Decimal("0.5")),
        (Decimal("99980.0"), Decimal(2)),
        (Decimal("99980.0"), Decimal("0.5")),
    ]
    assert [row.price for row in exchange.open_orders("0xa")] == [Decimal("99979.0")]
    assert exchange.book("BTC", 9)[0] == ((99_990.0, 1.0), (99_980.0, 2.0), (99_979.0, 0.5))


def test_pro_rata_spreads_cancels_over_the_level() -> None:
    half_gone = shows(500, (99_990.0, 0.5))
    grown = shows(300, (99_990.0, 3.0))
    # 1 ahead of 3 shown; 3 -> 1.5 takes half of it, and that drop is paid before we are reached
    events = (grown, shows(500, (99_990.0, 1.5)), shows(600, (99_990.0, 1.5)))
    trade = sell(1000, 99_990.0, 0.7)

    assert fills_of(*events, trade, queue=ProRata) == [(1000, Decimal("99990.0"), Decimal("0.2"))]
    assert fills_of(*events, trade) == []
    assert fills_of(half_gone, sell(1000, 99_990.0, 0.5), queue=ProRata) == []


def test_pro_rata_pays_for_a_drop_once() -> None:
    place = ProRata(100)
    place.shown(80)  # 20 gone: 80 ahead of us at most
    place.printed(15)
    assert place.ahead == 80
    place.printed(15)
    assert place.ahead == 70


@given(
    st.sampled_from([Conservative, ProRata]),
    st.integers(0, 100),
    st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=30),
)
def test_a_queue_only_moves_forward(
    model: QueueModel, shown: int, events: list[tuple[bool, int]]
) -> None:
    place: Place = model(shown)
    for is_print, size in events:
        before = place.ahead
        if is_print:
            place.printed(size)
        else:
            place.shown(size)
            assert place.ahead <= max(size, 0)
        assert 0 <= place.ahead <= before


@pytest.mark.parametrize("model", [Conservative, ProRata])
def test_enough_prints_always_reach_us(model: QueueModel) -> None:
    place = model(100)
    place.shown(60)
    place.printed(100)
    assert place.ahead == 0
