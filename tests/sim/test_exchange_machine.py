"""Any interleaving of requests and market events: no money made, no book crossed, no order lost."""

from collections import deque
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mm.model.exchange import (
    CancelOrders,
    FillReport,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderReport,
    OrderSpec,
    PlaceOrders,
    Request,
    Signed,
    Tif,
    TradeReport,
)
from mm.model.units import Side
from mm.sim.accounts import Account
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background, MarketEvent, Oracle, Taker
from mm.sim.orders import Order
from mm.sim.queue import Conservative, ProRata
from mm.sim.scripted import BTC, Session

T0 = 1_700_000_000_000
HOUR = 3_600_000
USERS = ("0xa", "0xb", "0xc")
PRICES = st.integers(99_996, 100_004)
SIZES = st.integers(1, 80)  # hundredths of a BTC
SIDES = st.sampled_from(Side)

specs = st.builds(
    lambda side, price, size, tif, reduce_only, cloid: OrderSpec(
        0, side, Decimal(price), Decimal(size).scaleb(-2), tif, reduce_only, cloid
    ),
    SIDES,
    PRICES,
    SIZES,
    st.sampled_from(Tif),
    st.booleans(),
    st.sampled_from([None, "0x1", "0x2", "0x3"]),
)


class LiveMarket:
    """Events are added while the exchange runs."""

    def __init__(self) -> None:
        self.instrument = BTC
        self.events: deque[MarketEvent] = deque()

    def next_ms(self) -> int | None:
        return self.events[0].time_ms if self.events else None

    def pop(self) -> MarketEvent:
        return self.events.popleft()


class ExchangeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.market = LiveMarket()
        self.market.events += [
            Background(T0, ((99_998.0, 1.0), (99_996.0, 1.0)), ((100_002.0, 1.0),)),
            Oracle(T0, 100_000.0),
        ]
        options = ExchangeOptions(
            funding_rate=Decimal("0.0001"),
            faucet_usdc=Decimal(5_000),
            queue=ProRata if self.pro_rata else Conservative,
        )
        self.exchange = Exchange([self.market], T0, options)
        self.session = Session(self.exchange, T0)
        self.session.run(T0)
        self.filled: dict[int, Decimal] = {}
        self.seen = 0

    pro_rata = False

    # -- what happens ---------------------------------------------------------------------------

    @rule(user=st.sampled_from(USERS), batch=st.lists(specs, min_size=1, max_size=3))
    def place(self, user: str, batch: list[OrderSpec]) -> None:
        self.session.ask(user, PlaceOrders(tuple(batch)))

    @rule(user=st.sampled_from(USERS), pick=st.integers(0, 9))
    def cancel(self, user: str, pick: int) -> None:
        self.session.ask(user, CancelOrders((OrderRef(0, oid=self.some_oid(user, pick)),)))

    @rule(user=st.sampled_from(USERS), pick=st.integers(0, 9), spec=specs, always=st.booleans())
    def modify(self, user: str, pick: int, spec: OrderSpec, always: bool) -> None:
        change = Modification(self.some_oid(user, pick), spec)
        self.session.ask(user, ModifyOrders((change,), always))

    @rule(requests=st.lists(st.tuples(st.sampled_from(USERS), specs), min_size=2, max_size=4))
    def crowd_a_block(self, requests: list[tuple[str, OrderSpec]]) -> None:
        """Several users' actions in one block."""
        for user, spec in requests:
            request: Request = PlaceOrders((spec,))
            self.exchange.submit(Signed(user, self.session.nonce(), request), self.session.now_ms)
        self.session.run(self.session.now_ms + 100)

    @rule(side=SIDES, price=PRICES, size=st.none() | SIZES)
    def taker(self, side: Side, price: int, size: int | None) -> None:
        lots = None if size is None else size / 100
        self.happens(Taker(self.session.now_ms + 10, side, float(price), lots))

    @rule(mid=PRICES, sizes=st.lists(SIZES, min_size=2, max_size=6))
    def background(self, mid: int, sizes: list[int]) -> None:
        half = len(sizes) // 2
        bids = tuple((float(mid - 1 - i), size / 100) for i, size in enumerate(sizes[:half]))
        asks = tuple((float(mid + 1 + i), size / 100) for i, size in enumerate(sizes[half:]))
        self.happens(Background(self.session.now_ms + 10, bids, asks))

    @rule(price=st.integers(60_000, 140_000))
    def oracle(self, price: int) -> None:
        self.happens(Oracle(self.session.now_ms + 10, float(price)))

    @rule()
    def hour(self) -> None:
        self.session.run(self.session.now_ms + HOUR)

    def happens(self, event: MarketEvent) -> None:
        self.market.events.append(event)
        self.exchange._pits[0].look_ahead()
        self.session.run(event.time_ms)

    def some_oid(self, user: str, pick: int) -> int:
        rows = self.exchange.open_orders(user)
        return rows[pick % len(rows)].oid if rows else 1

    # -- what must hold -------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        return list(self.exchange._accounts.by_user.values())

    def resting(self) -> list[Order]:
        book = self.exchange._pits[0].book
        halves = (book.bids, book.asks)
        return [o for half in halves for orders in half.levels.values() for o in orders]

    @invariant()
    def no_money_from_nothing(self) -> None:
        assert self.exchange._accounts.imbalance() == 0

    @invariant()
    def every_position_has_another_side(self) -> None:
        assert self.exchange._accounts.net_lots(0) == 0

    @invariant()
    def the_book_is_not_crossed(self) -> None:
        book = self.exchange._pits[0].book
        bid, own_bid = book.bids.best(), book.bids.own_best()
        ask, own_ask = book.asks.best(), book.asks.own_best()
        if own_bid is not None and ask is not None:
            assert own_bid < -ask
        if own_ask is not None and bid is not None:
            assert bid < -own_ask

    @invariant()
    def book_and_accounts_list_the_same_orders(self) -> None:
        listed = {oid for account in self.accounts() for oid in account.orders}
        assert {order.oid for order in self.resting()} == listed
        assert len(self.resting()) == len(listed)

    @invariant()
    def resting_orders_have_something_left(self) -> None:
        for order in self.resting():
            assert 0 < order.remaining <= order.original

    @invariant()
    def nobody_fills_more_than_asked(self) -> None:
        new, self.seen = self.session.told[self.seen :], len(self.session.told)
        for report in new:
            if isinstance(report, FillReport):
                self.filled[report.oid] = self.filled.get(report.oid, Decimal(0)) + (
                    report.trade.size
                )
            if isinstance(report, OrderReport) and report.status == "filled":
                row = report.order
                if not row.reduce_only and row.tif is not Tif.IOC:
                    assert self.filled[row.oid] == row.original
        for account in self.accounts():
            for row, _, _ in self.exchange.historical_orders(account.user):
                assert self.filled.get(row.oid, Decimal(0)) <= row.original - row.remaining

    @invariant()
    def reserved_notional_is_what_rests(self) -> None:
        for account in self.accounts():
            for asset, position in account.positions.items():
                for side, reserved in ((Side.BID, position.buys), (Side.ASK, position.sells)):
                    assert reserved == sum(
                        order.price * order.remaining
                        for order in account.orders.values()
                        if (order.asset, order.side) == (asset, side) and not order.reduce_only
                    )

    @invariant()
    def reduce_only_orders_fit_the_position(self) -> None:
        for account in self.accounts():
            lots = account.lots(0)
            orders = [order for order in account.orders.values() if order.reduce_only]
            assert sum(order.remaining for order in orders) <= abs(lots)
            assert all(order.side * lots < 0 for order in orders)

    @invariant()
    def fills_add_up_to_the_position(self) -> None:
        for account in self.accounts():
            lots = sum(
                (f.side * f.trade.size for f in self.exchange.fills(account.user)), Decimal(0)
            )
            assert lots == Decimal(account.lots(0)).scaleb(-5)

    def teardown(self) -> None:
        trades = [t for t in self.session.told if isinstance(t, TradeReport)]
        assert len({t.trade_id for t in trades}) == len(trades)


class ProRataMachine(ExchangeMachine):
    pro_rata = True


SETTINGS = settings(max_examples=30, stateful_step_count=40)
TestConservative = ExchangeMachine.TestCase
TestConservative.settings = SETTINGS
TestProRata = ProRataMachine.TestCase
TestProRata.settings = SETTINGS
