"""The venue's own exchange and a builder's: one order book each, and one purse each."""

from decimal import Decimal

import pytest
from msgspec import structs

from mm.model.custody import AdjustMargin, UpdateLeverage
from mm.model.exchange import Filled, Refused, Tif
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background, MarketEvent, Oracle
from mm.sim.scripted import BTC, ScriptedMarket, Session, order

HOUR = 3_600_000
T0 = 472_222 * HOUR
A = "0x" + "a" * 40
BID, ASK = Side.BID, Side.ASK
GOLD = structs.replace(BTC, name="xyz:GOLD", asset=110_000)
TIN = structs.replace(BTC, name="abc:TIN", asset=120_000)
EACH = Decimal(100_000)


class Bench(Session):
    exchange: Exchange

    def cash(self, dex: str = "") -> Decimal:
        return self.exchange.account(A, self.now_ms, dex).cash

    def take(self, asset: int, size: str, side: Side = BID) -> object:
        """At a leverage of 20 one unit takes 5,000 USD."""
        price = "100010" if side is BID else "99990"
        return self.place(A, structs.replace(order(side, price, size, Tif.IOC), asset=asset))

    def rest(self, asset: int, size: str) -> object:
        return self.place(A, structs.replace(order(BID, "99000", size), asset=asset))


def quotes(ms: int, mid: float) -> tuple[MarketEvent, MarketEvent]:
    at = T0 + ms
    return Background(at, ((mid - 10, 100.0),), ((mid + 10, 100.0),)), Oracle(at, mid)


def opened(*gold: MarketEvent) -> Bench:
    markets = [
        ScriptedMarket(BTC, quotes(0, 100_000.0)),
        ScriptedMarket(GOLD, (*quotes(0, 100_000.0), *gold)),
        ScriptedMarket(TIN, quotes(0, 100_000.0)),
    ]
    session = Bench(Exchange(markets, T0, ExchangeOptions()), T0)
    session.run(T0)
    return session


def test_the_faucet_gives_on_each() -> None:
    session = opened()

    assert [session.cash(dex) for dex in ("", "xyz", "abc")] == [EACH] * 3
    assert session.cash("nobody's") == 0
    assert session.exchange._accounts.imbalance() == 0


@pytest.mark.parametrize(("asset", "dex"), [(0, ""), (110_000, "xyz")])
def test_a_trade_is_paid_where_it_is_made(asset: int, dex: str) -> None:
    session = opened()
    assert isinstance(session.take(asset, "1"), Filled)

    for each in ("", "xyz", "abc"):
        state = session.exchange.account(A, session.now_ms, each)
        assert bool(state.positions) is (each == dex)
        assert bool(state.margin_used) is (each == dex)
        assert (state.cash < EACH) is (each == dex)
    assert session.exchange._accounts.imbalance() == 0


def test_one_exchanges_margin_is_not_the_others() -> None:
    """Each bears 2,000,000 USD: with 1,900,000 held there is no room for 200,000 more there."""
    session = opened()
    assert isinstance(session.take(110_000, "19"), Filled)

    assert isinstance(session.rest(110_000, "2"), Refused)
    assert not isinstance(session.rest(0, "19"), Refused)
    assert isinstance(session.rest(0, "2"), Refused)
    assert not isinstance(session.rest(120_000, "19"), Refused)


def test_a_liquidation_on_one_leaves_the_others_alone() -> None:
    session = opened(*quotes(1_000, 95_000.0))
    session.take(110_000, "19")
    session.take(0, "1")
    session.rest(0, "0.5")
    session.run(T0 + 2_000)

    assert session.exchange.account(A, session.now_ms, "xyz").positions == ()
    (row,) = session.exchange.account(A, session.now_ms).positions
    assert (row.coin, row.size) == ("BTC", Decimal(1))
    assert [one.coin for one in session.exchange.open_orders(A)] == ["BTC"]
    assert session.exchange._accounts.imbalance() == 0


def test_an_isolated_position_is_fed_from_its_own_exchange() -> None:
    session = opened()
    session.ask(A, UpdateLeverage(110_000, is_cross=False, leverage=20))
    session.take(110_000, "1")

    free = session.exchange.account(A, session.now_ms, "xyz").withdrawable
    assert session.ask(A, AdjustMargin(110_000, int(free * 10**6) + 1)).error is not None
    assert session.ask(A, AdjustMargin(110_000, int(free * 10**6))).error is None
    assert session.exchange.account(A, session.now_ms, "xyz").withdrawable == 0
    assert session.cash() == EACH


def test_a_builders_funding_is_paid_there() -> None:
    session = opened()
    session.take(110_000, "1")
    before = session.cash("xyz")
    session.run(T0 + HOUR + 100)

    assert session.exchange.fundings(A)
    assert session.cash("xyz") != before
    assert session.cash() == EACH
