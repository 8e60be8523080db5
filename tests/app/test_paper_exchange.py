"""The pretended venue, event by event, in time that the test moves."""

from decimal import Decimal

from msgspec import structs

from mm.adapters.hyperliquid.public_feed import PublicFeed
from mm.adapters.hyperliquid.settings import VenueSettings
from mm.app.clock import WallClock
from mm.app.config_paper import PaperConfig
from mm.app.paper import PaperVenue
from mm.app.paper_exchange import PaperExchange
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Bbo,
    Book,
    Event,
    Fill,
    Funding,
    Levels,
    OrderClosed,
    OrderOpened,
    Reference,
    RejectCode,
    Rejected,
    Trade,
    Trades,
)
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, Ns, Side
from mm.sim.scripted import BTC

ETH = Instrument(name="ETH", asset=1, size_decimals=4, price_decimals=2)
GOLD, TIN = (
    structs.replace(ETH, name=name, asset=asset)
    for name, asset in (("xyz:GOLD", 110_000), ("xyz:TIN", 110_001))
)
START: Ns = 1_800_000_000_000 * NS_PER_MS
LAG_MS = 300
"""How old what we hear is."""
TRIP_MS = 200
BIDS: Levels = ((99_990.0, 1.0), (99_980.0, 2.0))
ASKS: Levels = ((100_010.0, 1.0), (100_020.0, 2.0))


class Stage:
    """A paper exchange, what it told, and hands on the clock."""

    def __init__(self, **paper: object) -> None:
        self.now: Ns = START
        self.told: list[Event] = []
        self.told_of_eth: list[Event] = []
        self.trips: list[tuple[str, float]] = []
        settings = {"round_trip_ms": TRIP_MS, "round_trip_log_sd": 0.0, **paper}
        self.exchange = PaperExchange(
            {"BTC": (BTC, self.told.append), "ETH": (ETH, self.told_of_eth.append)},
            PaperConfig.model_validate(settings),
            lambda: self.now,
            lambda kind, elapsed: self.trips.append((kind, elapsed)),
        )
        self.exchange.open_account("BTC", Decimal(0), Decimal(100_000))
        self._trades = 0

    @property
    def venue_ts(self) -> Ns:
        return self.now - LAG_MS * NS_PER_MS

    def wait(self, ms: int) -> None:
        end = self.now + ms * NS_PER_MS
        while (due := self.exchange.next_ts()) <= end:
            self.now = max(self.now, due)
            self.exchange.run()
        self.now = end

    def show(self, bids: Levels = BIDS, asks: Levels = ASKS) -> None:
        self.exchange.hear("BTC", Book(self.now, self.venue_ts, bids, asks))

    def sell(self, price: float, *sizes: float) -> None:
        prints = []
        for size in sizes:
            self._trades += 1
            prints.append(Trade(self.venue_ts, price, size, Side.ASK, self._trades))
        self.exchange.hear("BTC", Trades(self.now, tuple(prints)))

    def send(self, *actions: Action) -> None:
        """Send and wait for the answers."""
        self.exchange.send("BTC", actions)
        self.wait(TRIP_MS + 100)

    def bid(self, price: str, size: str = "0.5", cloid: str = "0x6d6d01") -> None:
        self.send(Place(cloid, Side.BID, 1, Decimal(price), Decimal(size)))

    def opened(self) -> set[int]:
        """Answer and update tell of it, as the venue's do."""
        return {event.oid for event in self.told if isinstance(event, OrderOpened)}

    def fills(self) -> list[tuple[float, float]]:
        return [(float(f.price), float(f.size)) for f in self.told if isinstance(f, Fill)]

    def resting(self) -> list[float]:
        return [float(order.price) for order in self.exchange.open_orders()]


def stage(**paper: object) -> Stage:
    made = Stage(**paper)
    made.show()
    return made


class TestFills:
    def test_at_our_price_only_behind_the_queue_ahead(self) -> None:
        at = stage()
        at.bid("99990")
        at.sell(99_990.0, 0.6)
        assert at.fills() == []
        at.sell(99_990.0, 0.6)
        assert at.fills() == [(99_990.0, 0.2)]

    def test_through_our_price_at_our_price(self) -> None:
        at = stage()
        at.bid("99990")
        at.sell(99_980.0, 0.7)
        assert at.fills() == [(99_990.0, 0.5)]

    def test_ahead_of_the_touch_nobody_is_before_us(self) -> None:
        at = stage()
        at.bid("99995")
        at.sell(99_990.0, 0.2)
        assert at.fills() == [(99_995.0, 0.2)]

    def test_a_print_above_our_bid_does_nothing(self) -> None:
        at = stage()
        at.bid("99980")
        at.sell(99_990.0, 5.0)
        assert at.fills() == []

    def test_who_cancels_ahead_moves_us_up_pro_rata_or_not(self) -> None:
        for queue, filled in (("pro_rata", 0.3), ("conservative", 0.1)):
            at = stage(queue=queue)
            at.bid("99990")
            at.show(bids=((99_990.0, 3.0), *BIDS[1:]))  # 2 BTC join behind us
            for _ in range(2):  # a fifth of all leave; it was no trade, or that would be told
                at.show(bids=((99_990.0, 2.4), *BIDS[1:]))
            at.sell(99_990.0, 1.1)
            assert at.fills() == [(99_990.0, filled)], queue

    def test_the_market_that_moves_over_our_price_fills_us(self) -> None:
        at = stage()
        at.bid("99990")
        at.show(bids=((99_970.0, 1.0),), asks=((99_985.0, 2.0),))
        assert at.fills() == [(99_990.0, 0.5)]

    def test_a_display_that_came_over_us_gives_what_it_has_once(self) -> None:
        at = stage()
        at.bid("99990")
        for size in (0.2, 0.2, 0.2, 0.3, 0.1, 0.1):
            at.show(bids=((99_970.0, 1.0),), asks=((99_985.0, size), (100_020.0, 2.0)))
        assert at.fills() == [(99_990.0, 0.2), (99_990.0, 0.1)]
        at.show(bids=((99_970.0, 1.0),), asks=((100_020.0, 2.0),))
        at.show(bids=((99_970.0, 1.0),), asks=((99_985.0, 5.0),))
        assert at.fills()[2:] == [(99_990.0, 0.2)]

    def test_fills_carry_the_prints_time_and_are_among_the_prints(self) -> None:
        at = stage()
        at.bid("99990")
        at.sell(99_980.0, 0.7)

        (fill,) = [event for event in at.told if isinstance(event, Fill)]
        (prints,) = [event for event in at.told if isinstance(event, Trades)]
        assert fill.venue_ts == at.venue_ts
        assert fill.quote
        assert {trade.venue_ts for trade in prints.trades} == {at.venue_ts}
        assert [(t.price, t.size) for t in prints.trades] == [(99_990.0, 0.5), (99_980.0, 0.2)]
        assert fill.trade_id == prints.trades[0].trade_id
        assert fill.fee == Decimal("7.49925")  # 1.5 bps of 49,995 USD

    def test_one_message_of_prints_is_told_as_one(self) -> None:
        at = stage()
        at.sell(99_990.0, 0.1, 0.2, 0.3)
        (prints,) = [event for event in at.told if isinstance(event, Trades)]
        assert [trade.size for trade in prints.trades] == [0.1, 0.2, 0.3]


class TestOrders:
    def test_an_order_acts_a_round_trip_after_it_was_sent(self) -> None:
        at = stage()
        at.exchange.send("BTC", (Place("0x6d6d01", Side.BID, 1, Decimal(99_995), Decimal(1)),))
        at.wait(TRIP_MS - 1)
        assert at.resting() == []
        at.sell(99_980.0, 5.0)
        at.wait(80)
        assert at.resting() == [99_995.0]
        assert at.fills() == []
        assert len(at.opened()) == 1
        assert at.trips[0][0] == "place"
        assert TRIP_MS <= 1e3 * at.trips[0][1] <= TRIP_MS + 80

    def test_none_overtakes_another(self) -> None:
        at = stage(round_trip_log_sd=1.0, seed=7)
        for n in range(50):
            cloid = f"0x6d6d{n:02x}"
            at.exchange.send("BTC", (Place(cloid, Side.BID, 1, Decimal(99_990), Decimal("0.01")),))
            at.exchange.send("BTC", (Cancel(cloid),))
            at.wait(5)
        at.wait(20_000)
        assert at.resting() == []
        assert not [event for event in at.told if isinstance(event, Rejected)]

    def test_post_only_is_judged_by_the_touch_of_then(self) -> None:
        at = stage()
        at.exchange.send("BTC", (Place("0x6d6d01", Side.BID, 1, Decimal(100_000), Decimal(1)),))
        at.show(bids=((99_980.0, 1.0),), asks=((100_000.0, 1.0),))
        at.wait(TRIP_MS + 100)
        (rejected,) = [event for event in at.told if isinstance(event, Rejected)]
        assert rejected.code is RejectCode.POST_ONLY
        assert at.resting() == []

    def test_the_venues_rules_hold(self) -> None:
        at = stage()
        at.bid("99990", "0.00005", "0x6d6d01")
        at.send(Place("0x6d6d02", Side.ASK, 1, Decimal(100_010), Decimal(1), reduce_only=True))
        at.bid("99990", "900", "0x6d6d03")
        codes = [event.code for event in at.told if isinstance(event, Rejected)]
        assert codes == [RejectCode.MIN_NOTIONAL, RejectCode.REDUCE_ONLY, RejectCode.MARGIN]

    def test_modify_cancel_and_cancel_all(self) -> None:
        at = stage()
        at.bid("99990")
        (oid,) = at.opened()
        at.send(Modify("0x6d6d01", oid, Side.BID, 1, Decimal(99_980), Decimal(1)))
        assert at.resting() == [99_980.0]
        at.bid("99970", cloid="0x6d6d02")
        at.send(Cancel("0x6d6d01"))
        assert at.resting() == [99_970.0]
        at.send(CancelAll("test"))
        assert at.resting() == []

    def test_a_flatten_takes_what_is_shown(self) -> None:
        at = stage()
        at.bid("99995")
        at.sell(99_990.0, 0.5)
        at.send(Place("0x6d6d09", Side.ASK, 0, Decimal(99_000), Decimal("0.5"), True, True))
        closing = [event for event in at.told if isinstance(event, Fill)][-1]
        assert (closing.price, closing.side, closing.quote) == (Decimal(99_990), Side.ASK, False)
        assert at.exchange.account("BTC").position == 0


class TestDisplay:
    def test_our_orders_are_in_the_book(self) -> None:
        at = stage()
        at.bid("99990")
        at.bid("99995", "0.2", "0x6d6d02")
        at.show()
        shown = [event for event in at.told if isinstance(event, Book)][-1]
        assert shown.bids == ((99_995.0, 0.2), (99_990.0, 1.5), (99_980.0, 2.0))
        assert shown.asks == ASKS
        assert shown.venue_ts == at.venue_ts

    def test_our_own_new_touch_is_told_at_once(self) -> None:
        at = stage()
        at.bid("99995", "0.2")
        (touch,) = [event for event in at.told if isinstance(event, Bbo)]
        assert (touch.bid, touch.ask) == ((99_995.0, 0.2), ASKS[0])

    def test_prints_take_nothing_off_the_display(self) -> None:
        """The next one tells; a second time would move the fair price for nothing."""
        at = stage()
        at.sell(99_990.0, 0.9)
        at.bid("99980", "0.2")
        at.exchange.hear("BTC", Bbo(at.now, at.venue_ts, BIDS[0], ASKS[0]))
        touches = {event.bid for event in at.told if isinstance(event, Bbo)}
        assert touches == {BIDS[0]}


class TestLostFeed:
    def test_nothing_rests_and_nothing_is_filled_unseen(self) -> None:
        at = stage()
        at.bid("99990")
        at.exchange.send("BTC", (Place("0x6d6d02", Side.BID, 1, Decimal(99_980), Decimal(1)),))
        at.exchange.send("BTC", (Place("0x6d6d03", Side.BID, 1, Decimal(99_980), Decimal(1)),))
        at.wait(TRIP_MS)  # arrived, and waiting for its block
        at.exchange.send("BTC", (Place("0x6d6d04", Side.BID, 1, Decimal(99_980), Decimal(1)),))
        at.exchange.forget()
        at.exchange.withdraw("feed lost")

        at.wait(5_000)
        at.show(bids=((90_000.0, 1.0),), asks=((90_010.0, 9.0),))
        at.sell(90_000.0, 5.0)
        at.wait(5_000)

        assert at.fills() == []
        assert at.resting() == []
        closed = {event.cloid for event in at.told if isinstance(event, OrderClosed)}
        refused = {event.cloid for event in at.told if isinstance(event, Rejected)}
        assert closed | refused == {"0x6d6d01", "0x6d6d02", "0x6d6d03", "0x6d6d04"}
        assert not at.exchange._sent, "nor does it remember what was never answered"

    def test_withdrawing_again_and_again_does_not_run_ahead_of_time(self) -> None:
        at = stage()
        for _ in range(100):
            at.exchange.withdraw("feed lost")
        at.bid("99990")
        assert at.resting() == [99_990.0]


class TestAccount:
    def test_what_former_runs_left_goes_on(self) -> None:
        at = Stage()
        at.exchange.open_account("BTC", Decimal("0.25"), Decimal(-25_000))
        at.exchange.hear("BTC", Reference(at.now, at.venue_ts, 100_000.0, 100_000.0, 0.0001))
        at.show()
        account = at.exchange.account("BTC")
        assert (account.position, account.equity) == (Decimal("0.25"), Decimal(100_000))

    def test_funding_is_paid_at_the_announced_rate(self) -> None:
        at = Stage()
        at.exchange.open_account("BTC", Decimal("0.25"), Decimal(-25_000))
        at.show()
        at.exchange.hear("BTC", Reference(at.now, at.venue_ts, 100_000.0, 100_000.0, 0.0001))
        at.wait(3_600_000)
        (paid,) = [event for event in at.told if isinstance(event, Funding)]
        assert paid.amount == Decimal("-2.5")


class TestTwoCoins:
    def test_each_hears_of_itself_and_both_share_the_money(self) -> None:
        at = stage()
        at.exchange.hear("ETH", Book(at.now, at.venue_ts, ((3_999.0, 5.0),), ((4_001.0, 5.0),)))
        at.exchange.send("ETH", (Place("0x6d6dee", Side.BID, 1, Decimal(3_999), Decimal(1)),))
        at.bid("99995")
        of_btc, of_eth = len(at.told), len(at.told_of_eth)
        at.sell(99_990.0, 0.5)

        assert len(at.told) > of_btc
        assert len(at.told_of_eth) == of_eth
        assert {e.cloid for e in at.told_of_eth if isinstance(e, OrderOpened)} == {"0x6d6dee"}
        btc, eth = at.exchange.account("BTC"), at.exchange.account("ETH")
        assert (btc.position, eth.position) == (Decimal("0.5"), Decimal(0))
        assert btc.equity == eth.equity
        assert btc.orders == ()
        assert [order.cloid for order in eth.orders or ()] == ["0x6d6dee"]

        at.exchange.send("BTC", (CancelAll("one coin's engine asks"),))
        at.wait(TRIP_MS + 100)
        assert at.resting() == [3_999.0]
        at.exchange.withdraw("everything")
        assert at.resting() == []


class Told(PublicFeed):
    """A feed that knows what is listed."""

    async def instruments(self) -> dict[str, Instrument]:
        return {"BTC": BTC, "xyz:GOLD": GOLD, "xyz:TIN": TIN}


async def test_paper_money_is_on_each_exchange_and_shared_there() -> None:
    settings = VenueSettings(network="mainnet", coins=("BTC", GOLD.name, TIN.name))
    clock = WallClock()
    venue = PaperVenue(settings, PaperConfig(equity_usd=5_000), clock, lambda _: None)
    for coin in settings.coins[1:]:
        venue.open(coin, lambda _: None)
    venue._feed = Told(settings, clock, venue.health, venue)
    venue.carry(Decimal(0), Decimal(-10), "BTC")
    venue.carry(Decimal(0), Decimal(30), TIN.name)
    await venue.bootstrap()

    for coin, equity in (("BTC", 4_990), (GOLD.name, 5_030), (TIN.name, 5_030)):
        assert venue.found[coin].equity == venue.exchange.account(coin).equity == equity
