"""Price first, then time; the background and clients in one book."""

from mm.model.exchange import Tif
from mm.model.units import Side
from mm.sim.grid import Grid
from mm.sim.matching import ANY_PRICE, Book, Half, Take, Touch
from mm.sim.orders import Order
from mm.sim.queue import Conservative
from mm.sim.scripted import BTC

GRID = Grid(BTC)


def resting(oid: int, side: Side, price: int, size: int) -> Order:
    return Order(oid, "0xa", 0, side, price, size, size, Tif.GTC, False, None, 0)


def half(side: Side = Side.ASK) -> Half:
    return Half(side, GRID, Conservative)


def drain(book: Half, bound: int, size: int) -> list[tuple[int | None, int, int]]:
    """(oid or None for the background, price, size) of all that an aggressor takes."""
    taken = []
    while size and (take := book.next_take(bound, size)) is not None:
        book.consume(take)
        size -= take.size
        oid = None if take.maker is None else take.maker.oid
        taken.append((oid, book.side * take.key, take.size))
    return taken


def test_best_price_then_first_in_time() -> None:
    asks = half()
    for oid, price in ((1, 1010), (2, 1000), (3, 1000), (4, 990)):
        asks.add(resting(oid, Side.ASK, price, 5))

    taken = drain(asks, -1005, 100)

    assert taken == [(4, 990, 5), (2, 1000, 5), (3, 1000, 5)]
    assert asks.touch() == Touch(1010, 5, 1)


def test_partial_take_keeps_the_place_in_the_queue() -> None:
    bids = half(Side.BID)
    first, second = resting(1, Side.BID, 1000, 5), resting(2, Side.BID, 1000, 5)
    bids.add(first)
    bids.add(second)

    assert drain(bids, 1000, 3) == [(1, 1000, 3)]
    assert drain(bids, 1000, 4) == [(1, 1000, 2), (2, 1000, 2)]
    assert (first.remaining, second.remaining) == (0, 3)


def test_background_that_was_there_before_goes_first_and_what_came_later_last() -> None:
    asks = half()
    asks.show(((100.0, 0.00010),))
    asks.add(resting(1, Side.ASK, 1000, 5))
    asks.show(((100.0, 0.00030),))

    assert drain(asks, ANY_PRICE, 100) == [(None, 1000, 10), (1, 1000, 5), (None, 1000, 20)]
    assert asks.best() is None


def test_touch_merges_sizes_and_counts_the_background_as_one_order() -> None:
    bids = half(Side.BID)
    bids.show(((100.0, 0.00010), (99.0, 0.00020)))
    bids.add(resting(1, Side.BID, 1000, 5))
    bids.add(resting(2, Side.BID, 995, 7))

    assert bids.touch() == Touch(1000, 15, 2)
    assert bids.ladder(9) == [Touch(1000, 15, 2), Touch(995, 7, 1), Touch(990, 20, 1)]
    assert bids.ladder(1) == [Touch(1000, 15, 2)]


def test_own_order_better_than_the_background_is_the_touch() -> None:
    bids = half(Side.BID)
    bids.show(((100.0, 0.00010),))
    bids.add(resting(1, Side.BID, 1001, 5))

    assert bids.touch() == Touch(1001, 5, 1)
    assert bids.shown_best() == 1000


def test_levels_below_a_lot_vanish_and_those_in_one_tick_merge() -> None:
    asks = half()
    asks.show(((99.9, 0.000001), (100.01, 0.00010), (100.02, 0.00020), (101.0, 0.00005)))

    assert asks.touch() == Touch(1000, 30, 1)
    assert asks.ladder(5) == [Touch(1000, 30, 1), Touch(1010, 5, 1)]


def test_an_emptied_background_is_empty_at_once() -> None:
    asks = half()
    asks.show(((100.0, 0.00010),))
    asks.show(())

    assert asks.touch() is None
    assert asks.next_take(ANY_PRICE, 5) is None
    assert asks.shown_to(ANY_PRICE) == []


def test_removal_from_the_middle_of_a_level() -> None:
    asks = half()
    orders = [resting(oid, Side.ASK, 1000, 5) for oid in (1, 2, 3)]
    for order in orders:
        asks.add(order)
    asks.remove(orders[1])

    assert drain(asks, ANY_PRICE, 100) == [(1, 1000, 5), (3, 1000, 5)]


def test_take_of_background_that_is_not_there_moves_only_the_queues() -> None:
    asks = half()
    asks.show(((100.0, 0.00010),))
    asks.take_shown(-1010, 5)

    assert asks.ladder(5) == [Touch(1000, 10, 1)]


def test_an_order_beyond_the_display_has_nobody_known_ahead() -> None:
    asks = half()
    asks.show(((100.0, 0.00010),))
    order = resting(1, Side.ASK, 1010, 5)
    asks.add(order)
    asks.take_shown(-1010, 5)

    assert order.place is None
    assert order.ahead == 0


def test_crosses() -> None:
    book = Book(GRID, Conservative)
    assert not book.crosses(Side.BID, 10**9)
    book.asks.add(resting(1, Side.ASK, 1000, 5))

    assert book.crosses(Side.BID, 1000)
    assert not book.crosses(Side.BID, 999)
    assert not book.crosses(Side.ASK, 1)


def test_consume_is_exactly_what_was_offered() -> None:
    asks = half()
    order = resting(1, Side.ASK, 1000, 5)
    asks.add(order)
    asks.consume(Take(order, -1000, 5))

    assert (order.remaining, asks.own_best()) == (0, None)
