"""The server's life: binding, stopping; candles; liquidation as its victim and others see it."""

from decimal import Decimal

import pytest

from mm.adapters.hyperliquid.server import HyperliquidServer, Options, shapes
from mm.adapters.hyperliquid.server.candles import MINUTE_MS, Candles
from mm.adapters.hyperliquid.server.subscriptions import INTERVALS_MS
from mm.model.exchange import OrderRow, PositionRow, Tif, TradeReport
from mm.model.units import Side
from mm.sim.exchange import Exchange
from mm.sim.market import Background, Market
from tests.adapters.hyperliquid.rig import (
    ALICE,
    START_MS,
    HandClock,
    background,
    btc_market,
    order,
    place,
    rig,
    statuses,
)

DAY_MS = 86_400_000
MIDNIGHT_MS = START_MS - START_MS % DAY_MS


async def test_a_taken_port_is_an_error_and_nothing_is_left_behind() -> None:
    async with rig() as venue:
        exchange = Exchange([btc_market()], START_MS)
        second = HyperliquidServer(exchange, HandClock(), Options(port=venue.server.port))
        with pytest.raises(OSError, match=r"address already in use"):
            await second.start()
        await second.stop()
        await second.wait()
    async with HyperliquidServer(exchange, HandClock(), Options(port=venue.server.port)) as again:
        assert again.url == f"http://127.0.0.1:{venue.server.port}"


def print_of(time_ms: int, price: str, size: str = "1") -> TradeReport:
    amount = Decimal(size)
    return TradeReport("BTC", time_ms, Side.BID, Decimal(price), amount, 1, "0x", "0x", "0x")


def test_candles_merge_minutes_into_any_width() -> None:
    candles = Candles()
    assert candles.latest("BTC", "1m") is None
    assert candles.between("BTC", "1m", 0, DAY_MS) == []
    for minute, price in enumerate(["10", "12", "9", "11"]):
        candles.add(print_of(MIDNIGHT_MS + minute * MINUTE_MS + 7, price, "0.5"))
        candles.add(print_of(MIDNIGHT_MS + minute * MINUTE_MS + 9, price))
    minutes = candles.between("BTC", "1m", MIDNIGHT_MS, MIDNIGHT_MS + 2 * MINUTE_MS)
    assert [row["o"] for row in minutes] == ["10.0", "12.0", "9.0"]  # bounds are inclusive
    assert {(row["v"], row["n"]) for row in minutes} == {("1.5", 2)}
    threes = candles.between("BTC", "3m", MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    assert [(row["o"], row["h"], row["l"], row["c"]) for row in threes] == [
        ("10.0", "12.0", "9.0", "9.0"),
        ("11.0", "11.0", "11.0", "11.0"),
    ]
    for interval, width in INTERVALS_MS.items():
        latest = candles.latest("BTC", interval)
        assert latest is not None
        assert latest["T"] - latest["t"] == width - 1
        assert latest["c"] == "11.0"
    assert candles.latest("BTC", "1d") == candles.between("BTC", "1d", MIDNIGHT_MS, START_MS)[0]
    later = candles.between("BTC", "3m", MIDNIGHT_MS + 1, MIDNIGHT_MS + DAY_MS)
    assert later == threes[1:]


async def test_a_liquidation_is_marked_on_its_fills() -> None:
    crash = background(77_500.0, 10.0)
    below = Background(START_MS + 5_000, crash.bids, crash.asks)

    def markets() -> list[Market]:
        return [btc_market(below)]

    async with rig(markets=markets) as venue, venue.connect() as client:
        leverage = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 40}
        await venue.act(ALICE, leverage)
        (bought,) = statuses(await venue.act(ALICE, place(order(True, "80030", "40", "Ioc"))))
        assert bought["filled"]["totalSz"] == "40.0"
        await client.subscribe(type="userFills", user=ALICE.address)
        await client.settle()
        venue.advance(10_000)
        fills = [f["data"]["fills"] for f in await client.settle() if f["channel"] == "userFills"]
        marks = [fill["liquidation"] for fill in fills[0]]
        assert {mark["liquidatedUser"] for mark in marks} == {ALICE.address}
        assert all(isinstance(mark["markPx"], str) for mark in marks)
        state = await venue.info(type="clearinghouseState", user=ALICE.address)
        assert state["assetPositions"] == []


def test_optional_keys_appear_only_where_they_say_something() -> None:
    one = Decimal(1)
    row = OrderRow("BTC", 7, None, Side.ASK, one, one, one, Tif.ALO, True, START_MS)
    told = shapes.basic_order(row)
    assert told["reduceOnly"] is True
    assert "cloid" not in told
    assert shapes.frontend_order(row)["cloid"] is None
    zero = Decimal(0)
    isolated = PositionRow(
        "BTC", -one, Decimal(100), 5, False, 40, Decimal(20), Decimal(101), -one, None, zero, zero
    )
    position = shapes.position(isolated)["position"]
    assert position["leverage"] == {"type": "isolated", "value": 5, "rawUsd": "121.0"}
    assert position["liquidationPx"] is None
    assert position["returnOnEquity"] == "-0.05"


@pytest.mark.parametrize(
    ("value", "text"),
    [("100", "100.0"), ("-0.5", "-0.5"), ("0", "0.0"), ("1E+3", "1000.0"), ("1e-8", "0.00000001")],
)
def test_numbers_have_a_decimal_place(value: str, text: str) -> None:
    assert shapes.number(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(84143.0, "84143.0"), (1e-7, "0.0000001"), (1e22, "10000000000000000000000.0"), (0.3, "0.3")],
)
def test_floats_are_written_plainly(value: float, text: str) -> None:
    assert shapes.float_number(value) == text
