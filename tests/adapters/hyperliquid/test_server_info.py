"""`/info`: every answer has the venue's form; what is malformed is the client's error."""

import json

import msgspec
import pytest
from msgspec import structs

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.server import universe
from mm.sim.exchange import ExchangeOptions
from mm.sim.fees import TIERS
from mm.sim.market import Background, Market
from tests.adapters.hyperliquid.rig import (
    ALICE,
    BOB,
    BTC,
    ETH,
    START_MS,
    Json,
    ScriptedMarket,
    eth_market,
    order,
    place,
    rig,
    statuses,
)

USER = ALICE.address


async def test_start_up_answers() -> None:
    async with rig() as venue:
        meta = await venue.info(type="meta", dex="")
        assert meta["universe"][0] == {
            "name": "BTC",
            "szDecimals": 5,
            "maxLeverage": 40,
            "marginTableId": 40,
        }
        assert [asset["name"] for asset in meta["universe"]] == ["BTC", "ETH"]
        tiers = [{"lowerBound": "0.0", "maxLeverage": 25}]
        assert meta["marginTables"][0] == [25, {"description": "", "marginTiers": tiers}]
        same, contexts = await venue.info(type="metaAndAssetCtxs")
        assert same == meta
        assert [context["midPx"] for context in contexts] == ["80000.0", "2000.0"]
        assert await venue.info(type="allMids", dex=None) == {"BTC": "80000.0", "ETH": "2000.0"}
        assert await venue.info(type="perpDexs") == [None]
        assert len((await venue.info(type="spotMeta"))["universe"]) == 2
        assert (await venue.info(type="exchangeStatus"))["time"] == venue.now_ms
        assert await venue.info(type="spotClearinghouseState", user=USER) == {"balances": []}
        assert await venue.info(type="extraAgents", user=USER) == []
        assert await venue.info(type="userAbstraction", user=USER) == "disabled"


async def test_the_universe_has_no_holes() -> None:
    """An asset id is a place in the universe, whatever the exchange lists."""

    def markets() -> list[Market]:
        return [eth_market()]

    async with rig(markets=markets) as venue:
        universe = (await venue.info(type="meta"))["universe"]
        assert universe[0]["isDelisted"] is True
        assert universe[1]["name"] == "ETH"
        _, contexts = await venue.info(type="metaAndAssetCtxs")
        assert contexts[1]["midPx"] == "2000.0"
        assert await venue.info(type="allMids") == {"ETH": "2000.0"}


async def test_before_the_market_has_begun_books_are_empty() -> None:
    def markets() -> list[Market]:
        late = Background(START_MS + 60_000, ((79_990.0, 1.0),), ((80_010.0, 1.0),))
        return [ScriptedMarket(BTC, [late])]

    async with rig(markets=markets) as venue, venue.connect() as client:
        for kind in ("l2Book", "bbo", "activeAssetCtx", "trades"):
            await client.subscribe(type=kind, coin="BTC")
        await client.subscribe(type="allMids")
        frames = {frame["channel"]: frame["data"] for frame in await client.settle()}
        assert frames["l2Book"]["levels"] == [[], []]
        assert frames["bbo"]["bbo"] == [None, None]
        assert frames["activeAssetCtx"]["ctx"]["midPx"] is None
        answer = await venue.act(ALICE, place(order(True, "79000", "0.5", "Ioc")))
        assert "error" in statuses(answer)[0]
        state = await venue.info(type="clearinghouseState", user=USER)
        assert state["marginSummary"]["accountValue"] == "100000.0"
        venue.advance(61_000)
        assert (await venue.info(type="allMids")) == {"BTC": "80000.0"}


async def test_a_funded_account_and_its_position() -> None:
    async with rig() as venue:
        assert (await venue.info(type="clearinghouseState", user=USER)) == {
            "marginSummary": (
                empty := {
                    "accountValue": "100000.0",
                    "totalNtlPos": "0.0",
                    "totalRawUsd": "100000.0",
                    "totalMarginUsed": "0.0",
                }
            ),
            "crossMarginSummary": empty,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "100000.0",
            "assetPositions": [],
            "time": venue.now_ms,
        }
        await venue.act(
            ALICE, {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 10}
        )
        await venue.act(ALICE, place(order(True, "80010", "0.5", "Ioc")))
        state = await venue.info(type="clearinghouseState", user=USER)
        (row,) = state["assetPositions"]
        position = row["position"]
        mark = float(position["positionValue"]) / 0.5
        assert row["type"] == "oneWay"
        assert (position["szi"], position["entryPx"]) == ("0.5", "80010.0")
        assert position["leverage"] == {"type": "cross", "value": 10}
        assert float(position["unrealizedPnl"]) == pytest.approx(0.5 * (mark - 80_010))
        assert float(position["marginUsed"]) == pytest.approx(0.05 * mark)
        fee = 0.5 * 80_010 * 0.00045
        equity = 100_000 - fee + 0.5 * (mark - 80_010)
        summary = state["marginSummary"]
        assert float(summary["accountValue"]) == pytest.approx(equity, abs=1e-5)
        assert float(summary["totalRawUsd"]) == pytest.approx(equity - 0.5 * mark, abs=1e-5)


async def test_order_history() -> None:
    async with rig() as venue:
        action = place(order(True, "79000", "0.5", "Alo"), order(True, "80010", "0.1", "Ioc"))
        resting, filled = statuses(await venue.act(ALICE, action))
        rows = await venue.info(type="historicalOrders", user=USER)
        assert {(row["order"]["oid"], row["status"]) for row in rows} == {
            (resting["resting"]["oid"], "open"),
            (filled["filled"]["oid"], "filled"),
        }
        status = await venue.info(type="orderStatus", user=USER, oid=filled["filled"]["oid"])
        assert status["order"]["status"] == "filled"
        assert status["order"]["order"]["sz"] == "0.0"
        assert status["order"]["order"]["cloid"] is None
        unknown = {"status": "unknownOid"}
        assert await venue.info(type="orderStatus", user=USER, oid=17) == unknown
        assert await venue.info(type="orderStatus", user=USER, oid="0x" + "f" * 32) == unknown
        assert await venue.info(type="orderStatus", user=BOB.address, oid=17) == unknown


async def test_fills_newest_first_and_by_time_oldest_first() -> None:
    async with rig() as venue:
        for size in ("0.1", "0.2", "0.3"):
            await venue.act(ALICE, place(order(True, "80010", size, "Ioc")))
        fills = await venue.info(type="userFills", user=USER)
        assert [fill["sz"] for fill in fills] == ["0.3", "0.2", "0.1"]
        assert [fill["startPosition"] for fill in fills] == ["0.3", "0.1", "0.0"]
        body = {"user": USER, "startTime": fills[1]["time"], "endTime": None}
        found = await venue.info(type="userFillsByTime", **body, aggregateByTime=False)
        assert found == [fills[1], fills[0]]  # bounds are inclusive
        body["endTime"] = fills[1]["time"]
        assert await venue.info(type="userFillsByTime", **body) == [fills[1]]
        assert len(await venue.info(type="recentTrades", coin="BTC")) == 3


async def test_fees_and_rate_limit() -> None:
    async with rig() as venue:
        fees = await venue.info(type="userFees", user=USER)
        assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.00045", "0.00015")
        assert fees["feeSchedule"]["tiers"]["vip"] == []
        await venue.act(ALICE, place(order(True, "80010", "0.1", "Ioc")))
        assert await venue.info(type="userRateLimit", user=USER) == {
            "cumVlm": "8001.0",
            "nRequestsUsed": 1,
            "nRequestsCap": 18_001,
            "nRequestsSurplus": 0,
        }


async def test_the_fee_schedule_names_its_tiers() -> None:
    async with rig(rules=ExchangeOptions(fee_tiers=TIERS)) as venue:
        fees = await venue.info(type="userFees", user=USER)
        first, *_, last = fees["feeSchedule"]["tiers"]["vip"]
        assert first == {"ntlCutoff": "5000000.0", "cross": "0.0004", "add": "0.00012"}
        assert last == {"ntlCutoff": "7000000000.0", "cross": "0.00024", "add": "0.0"}


async def test_without_a_faucet_an_address_has_nothing() -> None:
    async with rig(rules=ExchangeOptions(faucet=False)) as venue:
        state = await venue.info(type="clearinghouseState", user=USER)
        assert state["marginSummary"]["accountValue"] == "0.0"
        answer = await venue.act(ALICE, place(order(True, "79000", "0.5")))
        assert answer["status"] == "err"


MALFORMED: list[Json] = [
    {},
    {"type": "weather"},
    {"type": 7},
    {"type": "openOrders"},
    {"type": "openOrders", "user": "0x12"},
    {"type": "openOrders", "user": 12},
    {"type": "orderStatus", "user": USER},
    {"type": "orderStatus", "user": USER, "oid": -1},
    {"type": "orderStatus", "user": USER, "oid": "0x12"},
    {"type": "l2Book"},
    {"type": "recentTrades"},
    {"type": "candleSnapshot"},
    {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m", "startTime": 0}},
    {"type": "fundingHistory", "coin": "BTC"},
    {"type": "userFillsByTime", "user": USER},
    {"type": "userRole"},
]


@pytest.mark.parametrize("body", [json.dumps(body) for body in MALFORMED] + ["", "[", "null", "7"])
async def test_malformed_questions_are_422(body: str) -> None:
    async with rig() as venue:
        assert (await venue.post("/info", body))[0] == 422


async def test_unknown_coins_are_null_and_bad_aggregation_is_500() -> None:
    async with rig() as venue:
        for kind in ("l2Book", "recentTrades"):
            assert await venue.info(type=kind, coin="NOPE") is None
        assert await venue.info(type="fundingHistory", coin="NOPE", startTime=0) is None
        request = {"coin": "NOPE", "interval": "1m", "startTime": START_MS, "endTime": None}
        assert await venue.info(type="candleSnapshot", req=request) == []
        bad = json.dumps({"type": "l2Book", "coin": "BTC", "nSigFigs": 1})
        assert (await venue.post("/info", bad))[0] == 500


async def test_an_oversized_body_is_refused() -> None:
    async with rig() as venue:
        for path in ("/info", "/exchange"):
            assert (await venue.post(path, b"x" * 1_000_001))[0] == 413
        assert (await venue.post("/elsewhere", ""))[0] == 404


def test_a_client_reads_the_margin_tiers_that_the_exchange_has() -> None:
    tiered = structs.replace(BTC, leverage_tiers=((1.5e8, 20), (1e9, 5)))
    like = structs.replace(tiered, name="LIKE", asset=3)
    told = universe.meta([tiered, ETH, like])
    assert [row["marginTableId"] for row in told["universe"]] == [51, 25, 1, 51]
    read = msgspec.json.decode(json.dumps(told), type=answers.Meta, strict=False)
    assert [read.tiers(asset) for asset in read.universe] == [
        tiered.leverage_tiers,
        (),
        (),
        tiered.leverage_tiers,
    ]
