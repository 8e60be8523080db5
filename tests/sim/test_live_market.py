"""A market that is fed from outside: newest touch over newest depth, prints, the venue's rate."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.events import Bbo, Book, Levels, Reference, Trade
from mm.model.exchange import FeeRates
from mm.model.units import NS_PER_MS, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.live import LiveMarket
from mm.sim.market import Background, FundingRate, Oracle, Taker
from mm.sim.scripted import BTC

T0 = 1_800_000_000_000
BIDS: Levels = ((100.0, 1.0), (99.0, 2.0), (98.0, 3.0))
ASKS: Levels = ((102.0, 1.0), (103.0, 2.0))


def book(venue_ms: int, bids: Levels = BIDS, asks: Levels = ASKS) -> Book:
    return Book(T0, venue_ms * NS_PER_MS, bids, asks)


def bbo(venue_ms: int, bid: tuple[float, float] | None, ask: tuple[float, float] | None) -> Bbo:
    return Bbo(T0, venue_ms * NS_PER_MS, bid, ask)


def shown(*events: Book | Bbo) -> tuple[Levels, Levels]:
    market = LiveMarket(BTC)
    for event in events:
        market.show(T0, event)
    return market.bids, market.asks


class TestDisplay:
    def test_a_newer_touch_stands_before_the_depth(self) -> None:
        touch = bbo(2, (99.0, 0.5), (101.0, 0.7))
        expected = (((99.0, 0.5), (98.0, 3.0)), ((101.0, 0.7), *ASKS))

        assert shown(book(1), touch) == expected
        assert shown(touch, book(1)) == expected

    def test_a_newer_snapshot_replaces_the_touch(self) -> None:
        assert shown(bbo(1, (99.0, 0.5), (101.0, 0.7)), book(2)) == (BIDS, ASKS)

    def test_an_older_touch_says_nothing(self) -> None:
        assert shown(book(2), bbo(1, (99.0, 0.5), (101.0, 0.7))) == (BIDS, ASKS)

    def test_a_side_that_is_empty_is_empty(self) -> None:
        assert shown(book(1), bbo(2, None, (101.0, 0.7)))[0] == ()

    @given(st.permutations(list(range(6))), st.data())
    def test_whatever_the_order_the_newest_touch_is_shown(
        self, order: list[int], data: st.DataObject
    ) -> None:
        """Each moment has one true touch, which a book and a touch tell alike."""
        events: list[Book | Bbo] = []
        for moment in order:
            bid, ask = (100.0 + moment, 1.0), (102.0 + moment, 1.0)
            if data.draw(st.booleans()):
                events.append(book(moment, (bid, (90.0, 1.0)), (ask, (110.0, 1.0))))
            else:
                events.append(bbo(moment, bid, ask))

        bids, asks = shown(*events)

        assert bids[0] == (105.0, 1.0)
        assert asks[0] == (107.0, 1.0)

    def test_what_was_lost_is_forgotten(self) -> None:
        market = LiveMarket(BTC)
        market.show(T0, book(5))
        market.forget()
        assert not market.is_shown
        market.show(T0, bbo(3, (50.0, 1.0), (51.0, 1.0)))
        assert (market.bids, market.asks) == (((50.0, 1.0),), ((51.0, 1.0),))


class TestEvents:
    def test_all_that_is_heard_happens_then(self) -> None:
        market = LiveMarket(BTC)
        market.show(T0, book(1))
        market.trade(T0 + 1, Trade(7, 102.0, 0.25, Side.BID, 99))
        market.refer(T0 + 2, Reference(T0, T0, 101.0, 101.5, 0.00002))

        heard = [market.pop() for _ in range(4)]

        assert heard == [
            Background(T0, BIDS, ASKS),
            Taker(T0 + 1, Side.BID, 102.0, 0.25),
            Oracle(T0 + 2, 101.0),
            FundingRate(T0 + 2, 0.00002),
        ]
        assert market.next_ms() is None
        with pytest.raises(IndexError):
            market.pop()


class TestAccount:
    def test_a_position_of_an_earlier_life_goes_on(self) -> None:
        """Equity is cash and the position's worth, funding is paid, nothing comes from nowhere."""
        market = LiveMarket(BTC)
        exchange = Exchange(
            [market], T0, ExchangeOptions(faucet=False, fees=FeeRates(Decimal(0), Decimal(0)))
        )
        exchange.restore("0xA", "BTC", Decimal("-0.5"), Decimal(60_000))
        market.show(T0, book(1, ((79_990.0, 1.0),), ((80_010.0, 1.0),)))
        market.refer(T0, Reference(T0, T0, 80_000.0, 80_000.0, 0.0001))
        exchange.look()
        exchange.advance(T0)

        assert exchange.account("0xa", T0).equity == Decimal(20_000)
        exchange.advance(T0 + 3_600_000)

        (funding,) = exchange.fundings("0xa")
        assert (funding.usdc, funding.rate) == (Decimal("4.000000"), Decimal("0.0001"))
        assert exchange._accounts.imbalance() == 0
        assert exchange._accounts.net_lots(0) == 0

    def test_a_position_off_the_grid_is_refused(self) -> None:
        exchange = Exchange([LiveMarket(BTC)], T0)
        with pytest.raises(ValueError, match="no multiple of the size step"):
            exchange.restore("0xa", "BTC", Decimal("0.0000001"), Decimal(0))
