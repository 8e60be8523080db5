"""What the websocket channels tell, when, and in which order."""

import asyncio
import json
from decimal import Decimal

import pytest

from mm.adapters.hyperliquid.server import Cadence, Options
from mm.model.units import Side
from mm.sim.market import Background, Market, MarketEvent, Oracle, Taker
from tests.adapters.hyperliquid.rig import (
    ALICE,
    BOB,
    BTC,
    START_MS,
    Json,
    Rig,
    ScriptedMarket,
    TickingClock,
    background,
    btc_market,
    eth_market,
    order,
    place,
    rig,
    statuses,
)

USER = ALICE.address
NOOP = {"type": "noop"}


async def sell_rests_and_is_bought(venue: Rig, size: str = "0.3") -> None:
    await venue.act(ALICE, place(order(False, "80005", "0.5", "Alo")))
    await venue.act(BOB, place(order(True, "80006", size, "Ioc")))


async def test_books_come_by_one_clock_fast_and_slow() -> None:
    async with rig() as venue, venue.connect() as slow, venue.connect() as fast:
        await slow.subscribe(type="l2Book", coin="BTC")
        await fast.subscribe(type="l2Book", coin="BTC", fast=True)
        (first,) = await slow.settle()
        assert [len(side) for side in first["data"]["levels"]] == [20, 20]
        assert first["data"]["levels"][0][0] == {"px": "79990.0", "sz": "2.0", "n": 1}
        assert first["data"]["levels"][1][1] == {"px": "80011.0", "sz": "3.0", "n": 1}
        assert "fast" not in first["data"]
        assert "spread" not in first["data"]
        (first,) = await fast.settle()
        assert [len(side) for side in first["data"]["levels"]] == [5, 5]
        assert first["data"]["fast"] is True
        venue.advance(10_000)
        assert len(await slow.settle()) == 2
        assert len(await fast.settle()) == 20


async def test_a_rounded_book_is_coarser_and_has_a_spread() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="l2Book", coin="BTC", nSigFigs=5, mantissa=5)
        data = await client.until("l2Book")
        # five figures of 80000 are whole dollars; fives of them, away from the market
        bids, asks = data["levels"]
        assert bids[0] == {"px": "79990.0", "sz": "2.0", "n": 1}
        assert bids[1] == {"px": "79985.0", "sz": str(3.0 + 4 + 5 + 6 + 7), "n": 5}
        assert asks[0] == {"px": "80010.0", "sz": "2.0", "n": 1}
        assert asks[1]["px"] == "80015.0"
        assert data["spread"] == "20.0"


async def test_bbo_is_told_when_the_touch_changes_and_only_then() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="bbo", coin="BTC")
        (first,) = await client.settle()
        assert first["data"]["bbo"] == [
            {"px": "79990.0", "sz": "2.0", "n": 1},
            {"px": "80010.0", "sz": "2.0", "n": 1},
        ]
        venue.advance(5_000)
        await venue.act(ALICE, place(order(True, "79000", "1", "Alo")))
        assert await client.settle() == []
        await venue.act(ALICE, place(order(True, "79995", "1", "Alo")))
        (changed,) = await client.settle()
        assert changed["data"]["bbo"][0] == {"px": "79995.0", "sz": "1.0", "n": 1}


async def test_an_empty_side_is_null() -> None:
    def markets() -> list[Market]:
        return [btc_market(Background(START_MS + 500, ((79_990.0, 1.0),), ())), eth_market()]

    async with rig(markets=markets) as venue, venue.connect() as client:
        await client.subscribe(type="bbo", coin="BTC")
        venue.advance(1_000)
        frames = await client.settle()
        assert frames[-1]["data"]["bbo"] == [{"px": "79990.0", "sz": "1.0", "n": 1}, None]
        await client.subscribe(type="l2Book", coin="BTC", nSigFigs=2)
        assert (await client.until("l2Book"))["levels"][1] == []


async def test_trades_are_told_as_arrays_and_replayed_to_the_late() -> None:
    async with rig() as venue, venue.connect() as early, venue.connect() as late:
        await early.subscribe(type="trades", coin="BTC")
        assert await early.settle() == []  # nothing to replay: no empty array
        await sell_rests_and_is_bought(venue)
        (trade,) = await early.until("trades")
        assert trade["side"] == "B"
        assert (trade["px"], trade["sz"]) == ("80005.0", "0.3")
        assert trade["users"] == [BOB.address, ALICE.address]
        assert 0 <= trade["tid"] < 2**50
        await late.subscribe(type="trades", coin="BTC")
        assert trade in await late.until("trades")


async def test_the_markets_own_takers_print() -> None:
    def markets() -> list[Market]:
        taker = Taker(START_MS + 500, Side.ASK, 79_988.0, None)
        return [btc_market(taker), eth_market()]

    async with rig(markets=markets) as venue, venue.connect() as client:
        await client.subscribe(type="trades", coin="BTC")
        await client.subscribe(type="candle", coin="BTC", interval="1m")
        venue.advance(1_000)
        frames = await client.settle()
        trades = [row for frame in frames if frame["channel"] == "trades" for row in frame["data"]]
        assert [(row["px"], row["sz"], row["side"]) for row in trades] == [
            ("79990.0", "2.0", "A"),
            ("79989.0", "3.0", "A"),
            ("79988.0", "4.0", "A"),
        ]
        candle = frames[-1]["data"]
        assert (candle["o"], candle["h"], candle["l"], candle["c"]) == (
            "79990.0",
            "79990.0",
            "79988.0",
            "79988.0",
        )
        assert (candle["v"], candle["n"], candle["T"] - candle["t"]) == ("9.0", 3, 59_999)
        request = {"coin": "BTC", "interval": "1m", "startTime": START_MS, "endTime": START_MS + 1}
        assert await venue.info(type="candleSnapshot", req=request) == [candle]


async def test_fills_orders_and_events_reach_their_owner_only() -> None:
    async with rig() as venue, venue.connect() as alice, venue.connect() as bob:
        for client, user in ((alice, ALICE.address), (bob, BOB.address)):
            for channel in ("userFills", "orderUpdates", "userEvents"):
                await client.subscribe(type=channel, user=user)
            assert [f["data"] for f in await client.settle()] == [
                {"isSnapshot": True, "user": user, "fills": []}
            ]
        await sell_rests_and_is_bought(venue)
        told = {frame["channel"]: frame["data"] for frame in await bob.settle()}
        assert set(told) == {"userFills", "orderUpdates", "user"}
        assert "isSnapshot" not in told["userFills"]
        (fill,) = told["userFills"]["fills"]
        assert told["user"] == {"fills": [fill]}
        assert (fill["crossed"], fill["startPosition"], fill["feeToken"]) == (True, "0.0", "USDC")
        assert "cloid" not in fill
        assert "liquidation" not in fill
        assert [update["status"] for update in told["orderUpdates"]] == ["open", "filled"]
        mine = await alice.settle()
        updates = [u for f in mine if f["channel"] == "orderUpdates" for u in f["data"]]
        assert [u["status"] for u in updates] == ["open"]  # a partial fill is no transition
        (fills,) = [f["data"]["fills"] for f in mine if f["channel"] == "userFills"]
        assert fills[0]["tid"] == fill["tid"]
        assert fills[0]["crossed"] is False


async def test_every_subscription_to_fills_begins_with_a_snapshot() -> None:
    async with rig() as venue, venue.connect() as client:
        await sell_rests_and_is_bought(venue, "0.1")
        await venue.act(BOB, place(order(True, "80006", "0.2", "Ioc")))
        for _ in range(2):
            await client.subscribe(type="userFills", user=USER)
            (snapshot,) = await client.settle()
            assert snapshot["data"]["isSnapshot"] is True
            assert [fill["sz"] for fill in snapshot["data"]["fills"]] == ["0.2", "0.1"]
            subscription = {"type": "userFills", "user": USER}
            await client.say({"method": "unsubscribe", "subscription": subscription})
            await client.settle()


async def test_aggregated_fills_are_one_row_an_order_and_block() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="userFills", user=BOB.address, aggregateByTime=True)
        await venue.act(ALICE, place(order(False, "80001", "0.1"), order(False, "80004", "0.2")))
        await venue.act(BOB, place(order(True, "80006", "0.3", "Ioc")))
        frames = [f["data"] for f in await client.settle() if f["channel"] == "userFills"]
        assert frames[0]["isSnapshot"] is True
        (fill,) = frames[1]["fills"]
        assert (fill["sz"], fill["px"]) == ("0.3", "80003.0")
        parts = await venue.info(type="userFills", user=BOB.address)
        assert len(parts) == 2
        assert Decimal(fill["fee"]) == sum(Decimal(part["fee"]) for part in parts)
        body = {"user": BOB.address, "startTime": 0, "endTime": None, "aggregateByTime": True}
        assert await venue.info(type="userFillsByTime", **body) == [fill]


async def test_open_orders_and_account_follow_changes() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="openOrders", user=USER)
        await client.subscribe(type="clearinghouseState", user=USER)
        first = await client.settle()
        assert first[1]["data"]["clearinghouseState"]["withdrawable"] == "100000.0"
        await sell_rests_and_is_bought(venue)
        frames = await client.settle()
        orders = [f["data"]["orders"] for f in frames if f["channel"] == "openOrders"]
        assert [[row["sz"] for row in rows] for rows in orders] == [["0.5"], ["0.2"]]
        states = [f["data"] for f in frames if f["channel"] == "clearinghouseState"]
        assert states[-1]["user"] == USER
        (position,) = states[-1]["clearinghouseState"]["assetPositions"]
        assert position["position"]["szi"] == "-0.3"


async def test_contexts_and_mids_have_their_cadence() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="activeAssetCtx", coin="BTC")
        await client.subscribe(type="allMids")
        await client.settle()
        venue.advance(10_000)
        channels = [frame["channel"] for frame in await client.settle()]
        assert channels.count("activeAssetCtx") == 10
        assert channels.count("allMids") == 2


async def test_funding_is_paid_and_told_hourly() -> None:
    async with rig() as venue, venue.connect() as client:
        await venue.act(ALICE, place(order(True, "80010", "0.5", "Ioc")))
        await client.subscribe(type="userFundings", user=USER)
        await client.subscribe(type="userEvents", user=USER)
        assert (await client.settle())[0]["data"]["fundings"] == []
        for _ in range(61):
            venue.advance(60_000)
            await client.settle()
        fundings = [f["data"] for f in client.seen if f["channel"] == "userFundings"]
        (paid,) = fundings[-1]["fundings"]
        assert "isSnapshot" not in fundings[-1]
        assert Decimal(paid["usdc"]) < 0  # a long pays a positive rate
        assert (paid["coin"], paid["szi"], paid["fundingRate"]) == ("BTC", "0.5", "0.0000125")
        assert {"funding": paid} in [f["data"] for f in client.seen if f["channel"] == "user"]
        (row,) = await venue.info(type="userFunding", user=USER, startTime=0)
        assert row["delta"] == {"type": "funding"} | {k: v for k, v in paid.items() if k != "time"}
        (rate,) = await venue.info(type="fundingHistory", coin="BTC", startTime=START_MS)
        assert (rate["fundingRate"], rate["time"]) == ("0.0000125", paid["time"])


async def test_what_the_exchange_itself_cancels_is_an_event() -> None:
    """By the dead-man switch, here; the client's own cancel is none."""
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="userEvents", user=USER)
        answer = await venue.act(ALICE, place(order(True, "79000", "0.5", "Alo")))
        cancelled = statuses(answer)[0]["resting"]["oid"]
        await venue.act(ALICE, {"type": "cancel", "cancels": [{"a": 0, "o": cancelled}]})
        answer = await venue.act(ALICE, place(order(True, "79000", "0.5", "Alo")))
        left = statuses(answer)[0]["resting"]["oid"]
        await venue.act(ALICE, {"type": "scheduleCancel", "time": venue.now_ms + 6_000})
        venue.advance(7_000)
        told = [frame["data"] for frame in await client.settle()]
        assert told == [{"nonUserCancel": [{"coin": "BTC", "oid": left}]}]


async def test_a_liquidation_is_an_event_of_whom_it_befell() -> None:
    crash = Background(START_MS + 5_000, ((75_000.0, 100.0),), ((75_010.0, 100.0),))
    oracle = Oracle(START_MS + 5_000, 75_005.0)
    markets: list[Market] = [ScriptedMarket(BTC, [background(80_000.0, 10.0), crash, oracle])]
    async with rig(markets=lambda: markets) as venue, venue.connect() as client:
        await venue.act(ALICE, place(order(True, "80030", "20", "Ioc")))
        await client.subscribe(type="userEvents", user=USER)
        venue.advance(10_000)
        told = [frame["data"] for frame in await client.settle()]
        (one,) = [data["liquidation"] for data in told if "liquidation" in data]
        (fills,) = [data["fills"] for data in told if "fills" in data]
        sold = sum(Decimal(fill["sz"]) * Decimal(fill["px"]) for fill in fills)
        assert (one["liquidated_user"], one["lid"]) == (USER, fills[0]["oid"])
        assert Decimal(one["liquidated_ntl_pos"]) == sold
        state = await venue.info(type="clearinghouseState", user=USER)
        assert one["liquidated_account_value"] == state["marginSummary"]["accountValue"]


async def first_channels(seed: int) -> list[str]:
    """Which of fills and order updates was told first, in twenty trades."""
    options = Options(cadence=Cadence(pump_s=3600.0), seed=seed)
    firsts = []
    async with rig(options) as venue, venue.connect() as client:
        await client.subscribe(type="userFills", user=BOB.address)
        await client.subscribe(type="orderUpdates", user=BOB.address)
        await client.settle()
        for _ in range(20):
            await venue.act(BOB, place(order(True, "80010", "0.01", "Ioc")))
            firsts.append((await client.settle())[0]["channel"])
    return firsts


async def test_a_fill_may_be_told_before_its_order_opens_by_a_seed() -> None:
    first = await first_channels(seed=1)
    assert 3 <= first.count("userFills") <= 17
    assert await first_channels(seed=1) == first
    assert await first_channels(seed=2) != first


async def test_a_new_order_id_is_told_with_the_old_ones_end() -> None:
    async with rig() as venue, venue.connect() as client:
        action = place(order(True, "79000", "0.01", "Alo"))
        oid = statuses(await venue.act(ALICE, action))[0]["resting"]["oid"]
        await client.subscribe(type="orderUpdates", user=USER)
        change = {"oid": oid, "order": order(True, "79001", "0.02", "Alo")}
        (moved,) = statuses(await venue.act(ALICE, {"type": "batchModify", "modifies": [change]}))
        updates: list[Json] = await client.until("orderUpdates")
        told = {(update["order"]["oid"], update["status"]) for update in updates}
        assert told == {(oid, "canceled"), (moved["resting"]["oid"], "open")}


async def test_the_pump_runs_by_itself() -> None:
    options = Options(cadence=Cadence(pump_s=0.001))
    async with rig(options, clock=TickingClock()) as venue, venue.connect() as client:
        await client.subscribe(type="l2Book", coin="BTC", fast=True)
        for _ in range(3):
            assert (await client.until("l2Book"))["coin"] == "BTC"
        status, answer = await venue.post("/exchange", json.dumps(venue.signed(ALICE, NOOP)))
        assert (status, json.loads(answer)["status"]) == (200, "ok")


class BrokenMarket(ScriptedMarket):
    def pop(self) -> MarketEvent:
        if self._events[0].time_ms > START_MS:
            raise RuntimeError("the tape is torn")
        return super().pop()


async def test_a_failing_exchange_ends_the_pump_aloud() -> None:
    market = BrokenMarket(BTC, [background(80_000.0, 10.0), Oracle(START_MS + 200, 80_000.0)])
    async with rig(Options(cadence=Cadence(pump_s=0.001)), lambda: [market]) as venue:
        venue.clock.now_ns += 10**9
        with pytest.raises(RuntimeError, match="the tape is torn"):
            await asyncio.wait_for(venue.server.wait(), 10)
