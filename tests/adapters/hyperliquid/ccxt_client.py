"""What a user of ccxt does, against the exchange at the URL given; for a Python that has ccxt."""

import asyncio
import sys

import ccxt
import ccxt.pro

KEY = "0x" + "0" * 62 + "c1"
ADDRESS = "0x0A2035683FE5587B0B09DB0e757306aD729FE6c1"
SYMBOL, SIZE = "BTC/USDC:USDC", 0.01
CREDENTIALS = {"privateKey": KEY, "walletAddress": ADDRESS, "options": {"builderFee": False}}
PATIENCE_S = 20.0


def main(url: str) -> None:
    venue = ccxt.hyperliquid(CREDENTIALS)
    venue.set_sandbox_mode(True)  # it signs as for the testnet
    venue.urls["api"] = {"public": url, "private": url}
    bid = market_data(venue)
    orders(venue, bid)
    positions(venue, bid)
    asyncio.run(streams(url))


def market_data(venue: ccxt.hyperliquid) -> float:
    markets = venue.load_markets()
    assert markets[SYMBOL]["precision"]["amount"] == 1e-05
    assert markets[SYMBOL]["swap"]
    bid, size = venue.fetch_order_book(SYMBOL, 5)["bids"][0]
    assert min(bid, size) > 0
    ticker = venue.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"]
    assert venue.fetch_balance()["USDC"]["free"] == 100_000.0
    assert venue.fetch_ohlcv(SYMBOL, "1m")[-1][4] > 0
    assert SYMBOL in venue.fetch_funding_rates()
    assert venue.fetch_trading_fee(SYMBOL)["maker"] == 0.00015
    assert venue.fetch_funding_history(SYMBOL) == []
    sys.stdout.write("markets, book, ticker, balance, candles, funding, fees\n")
    return float(bid)


def orders(venue: ccxt.hyperliquid, bid: float) -> None:
    venue.set_leverage(7, SYMBOL)
    named = {"postOnly": True, "clientOrderId": "0x" + "0" * 31 + "9"}
    placed = venue.create_order(SYMBOL, "limit", "buy", SIZE, bid * 0.95, named)
    found = venue.fetch_order(placed["id"], SYMBOL)
    assert (found["status"], found["amount"]) == ("open", SIZE)
    edited = venue.edit_order(placed["id"], SYMBOL, "limit", "buy", 2 * SIZE, bid * 0.96, named)
    (row,) = venue.fetch_open_orders(SYMBOL)
    assert (row["id"], row["amount"]) == (edited["id"], 2 * SIZE)
    venue.cancel_order(row["id"], SYMBOL)
    sides = (("buy", bid * 0.95), ("sell", bid * 1.05))
    venue.create_orders(
        [
            {"symbol": SYMBOL, "type": "limit", "side": side, "amount": SIZE, "price": price}
            for side, price in sides
        ]
    )
    both = [row["id"] for row in venue.fetch_open_orders(SYMBOL)]
    assert len(both) == 2
    venue.cancel_orders(both, SYMBOL)
    assert venue.fetch_open_orders(SYMBOL) == []
    assert len(venue.fetch_canceled_orders(SYMBOL)) == 4
    refused = ""
    try:
        venue.create_order(SYMBOL, "limit", "buy", SIZE, bid * 1.05, {"postOnly": True})
    except ccxt.InvalidOrder as error:
        refused = str(error)
    assert "immediately matched" in refused
    sys.stdout.write(
        "create, fetch, edit, cancel, bulk create, bulk cancel, a refusal under its own name\n"
    )


def positions(venue: ccxt.hyperliquid, bid: float) -> None:
    venue.create_order(SYMBOL, "market", "buy", SIZE, bid)
    (held,) = venue.fetch_positions([SYMBOL])
    assert (held["contracts"], held["side"], held["leverage"]) == (SIZE, "long", 7.0)
    venue.create_order(SYMBOL, "market", "sell", SIZE, bid, {"reduceOnly": True})
    assert venue.fetch_positions([SYMBOL]) == []
    assert {trade["takerOrMaker"] for trade in venue.fetch_my_trades(SYMBOL)} == {"taker"}
    assert venue.fetch_closed_orders(SYMBOL)
    sys.stdout.write("market orders, positions, my trades, closed orders\n")


async def streams(url: str) -> None:
    venue = ccxt.pro.hyperliquid(CREDENTIALS)
    venue.set_sandbox_mode(True)
    socket = {"public": f"{url.replace('http', 'ws', 1)}/ws"}
    venue.urls["api"] = {"public": url, "private": url, "ws": socket}
    try:
        async with asyncio.timeout(PATIENCE_S):
            await venue.load_markets()
            bid = (await venue.watch_order_book(SYMBOL))["bids"][0][0]
            for watch in (venue.watch_trades, venue.watch_ticker, venue.watch_ohlcv):
                assert await watch(SYMBOL)
            mine = asyncio.create_task(venue.watch_orders(SYMBOL))
            await asyncio.sleep(0.5)  # it has no way to say that it listens
            placed = await venue.create_order_ws(SYMBOL, "limit", "buy", SIZE, bid * 0.95)
            assert (await mine)[0]["id"] == placed["id"]
            edited = await venue.edit_order_ws(
                placed["id"], SYMBOL, "limit", "buy", 2 * SIZE, bid * 0.96
            )
            await venue.cancel_order_ws(edited["id"], SYMBOL)
    finally:
        await venue.close()
    sys.stdout.write(
        "book, trades, ticker, candles, own orders; create, edit, cancel by websocket\n"
    )


main(sys.argv[1])
