"""Fees by volume and by exchange, as the venue's page has them."""

from decimal import Decimal

import pytest

from mm.model.exchange import FeeRates, OrderSpec, Tif
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.fees import TIERS, Fees, Volumes, rate_on
from mm.sim.market import Background
from mm.sim.scripted import ScriptedMarket, Session, calm_market, order

DAY = 86_400_000
T0 = 20_000 * DAY
ME, YOU = "0x" + "a" * 40, "0x" + "b" * 40
BASE = FeeRates(maker=Decimal("0.00015"), taker=Decimal("0.00045"))
FEES = Fees(BASE, TIERS)


@pytest.mark.parametrize(
    ("volume_usd", "maker", "taker"),
    [
        ("0", "0.00015", "0.00045"),
        ("5000000", "0.00015", "0.00045"),
        ("5000000.01", "0.00012", "0.0004"),
        ("100000001", "0.00004", "0.0003"),
        ("7000000001", "0", "0.00024"),
    ],
)
def test_who_trades_much_pays_less(volume_usd: str, maker: str, taker: str) -> None:
    assert FEES.at(Decimal(volume_usd)) == FeeRates(maker=Decimal(maker), taker=Decimal(taker))


def test_no_tier_charges_more_than_everybody_pays() -> None:
    rebate = FeeRates(maker=Decimal("-0.00003"), taker=Decimal("0.0002"))
    assert Fees(rebate, TIERS).at(Decimal(10**8)) == rebate


def test_the_volume_of_fourteen_days_counts_and_today_does_not() -> None:
    volumes, six_million = Volumes(), 6 * 10**12
    volumes.add(100, six_million)
    assert volumes.rates(100, FEES) == BASE
    assert volumes.rates(101, FEES) != BASE
    assert volumes.rates(114, FEES) != BASE
    assert volumes.rates(115, FEES) == BASE


def test_a_builders_exchange_charges_twice_and_gives_no_rebate() -> None:
    assert rate_on("BTC", Decimal("0.00015")) == Decimal("0.00015")
    assert rate_on("xyz:GOLD", Decimal("0.00015")) == Decimal("0.0003")
    assert rate_on("xyz:GOLD", Decimal("-0.00003")) == 0


def test_fills_cost_what_the_day_and_the_exchange_say() -> None:
    gold = Instrument(name="xyz:GOLD", asset=110_000, size_decimals=4, price_decimals=2)
    shown = Background(T0, ((2000.0, 10.0),), ((2000.1, 10.0),))
    options = ExchangeOptions(faucet_usdc=Decimal(10**9), fee_tiers=TIERS)
    exchange = Exchange([calm_market(T0), ScriptedMarket(gold, [shown])], T0, options)
    session = Session(exchange, T0)
    session.run(T0)
    spec = OrderSpec(110_000, Side.BID, Decimal("2000.1"), Decimal(1), Tif.IOC)
    session.place(ME, spec)
    assert exchange.fills(ME)[-1].fee == Decimal("2000.1") * Decimal("0.0009")

    session.place(ME, order(Side.BID, "100000", "60"))
    session.place(YOU, order(Side.ASK, "100000", "60", Tif.IOC))
    assert exchange.fills(ME)[-1].fee == 60 * 100_000 * Decimal("0.00015")
    session.run(T0 + DAY)
    session.place(ME, order(Side.BID, "100000", "0.1"))
    session.place(YOU, order(Side.ASK, "100000", "0.1", Tif.IOC))

    assert exchange.fills(ME)[-1].fee == Decimal(10_000) * Decimal("0.00012")
    assert exchange.fills(YOU)[-1].fee == Decimal(10_000) * Decimal("0.0004")
    assert exchange.fee_rates(YOU).taker == Decimal("0.0004")
    assert exchange.fee_rates("0x" + "c" * 40) == BASE
