"""The official SDK, unmodified, against the real server: it parses, and means what it says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange as SdkExchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.types import Cloid

from mm.adapters.hyperliquid.server import Cadence, HyperliquidServer, Limits, Options
from mm.app.clock import WallClock
from mm.model.units import NS_PER_MS
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background
from tests.adapters.hyperliquid.rig import BTC, ETH, Json, ScriptedMarket, background

ALO = {"limit": {"tif": "Alo"}}
GTC = {"limit": {"tif": "Gtc"}}
IOC = {"limit": {"tif": "Ioc"}}
TIMEOUT_S = 20


@pytest.fixture
async def server() -> AsyncIterator[HyperliquidServer]:
    """BTC 79990/80010 and ETH 1999/2001, two units at the touch; in real time."""
    clock = WallClock()
    now_ms = clock.now() // NS_PER_MS
    markets = [
        ScriptedMarket(instrument, [Background(now_ms, book.bids, book.asks)])
        for instrument, book in ((BTC, background(80_000.0, 10.0)), (ETH, background(2_000.0, 1.0)))
    ]
    rules = ExchangeOptions(block_ms=10, schedule_cancel_volume=None)
    cadence = Cadence(pump_s=0.002, book_s=0.05, fast_book_s=0.02, mids_s=0.05, context_s=0.05)
    options = Options(cadence=cadence, limits=Limits(weight_per_min=10_000))
    async with HyperliquidServer(Exchange(markets, now_ms, rules), clock, options) as server:
        yield server


class Trader:
    """One user of the SDK; an idle websocket thread of its takes 10 s to end."""

    def __init__(self, url: str, key: int, streams: bool) -> None:
        wallet = Account.from_key(f"{key:064x}")
        self.address: str = wallet.address  # checksummed, as the SDK sends it
        self.exchange = SdkExchange(wallet, url, timeout=TIMEOUT_S)
        self.info = Info(url, skip_ws=not streams, timeout=TIMEOUT_S)

    def close(self) -> None:
        if self.info.ws_manager is not None:
            self.info.disconnect_websocket()
            self.info.ws_manager.join()
        for api in (self.info, self.exchange, self.exchange.info):
            api.session.close()

    def listen(self, kind: str, **more: object) -> "Queue[Any]":
        """The data of every frame of this subscription."""
        heard: Queue[Any] = Queue()
        self.info.subscribe({"type": kind, **more}, lambda frame: heard.put(frame["data"]))
        return heard

    def position(self, coin: str = "BTC") -> float:
        rows = self.info.user_state(self.address)["assetPositions"]
        sizes = {row["position"]["coin"]: float(row["position"]["szi"]) for row in rows}
        return sizes.get(coin, 0.0)


@contextmanager
def trader(url: str, key: int = 1, streams: bool = False) -> Iterator[Trader]:
    user = Trader(url, key, streams)
    try:
        yield user
    finally:
        user.close()


def only(answer: Json) -> Any:  # noqa: ANN401  # an order's status, of whatever shape
    assert answer["status"] == "ok", answer
    (status,) = answer["response"]["data"]["statuses"]
    return status


def place_modify_cancel(url: str) -> None:
    with trader(url) as user:
        first, second = Cloid.from_int(1), Cloid.from_int(2)
        status = only(user.exchange.order("BTC", True, 0.01, 79_000, ALO, cloid=first))
        oid = status["resting"]["oid"]
        assert status["resting"]["cloid"] == first.to_raw()
        (row,) = user.info.open_orders(user.address)
        assert (row["oid"], row["limitPx"], row["sz"]) == (oid, "79000.0", "0.01")
        assert user.info.query_order_by_oid(user.address, oid)["order"]["status"] == "open"
        found = user.info.query_order_by_cloid(user.address, first)
        assert found["order"]["order"]["oid"] == oid

        status = only(user.exchange.modify_order(oid, "BTC", True, 0.02, 79_001, ALO, cloid=first))
        assert status["resting"]["oid"] != oid
        (row,) = user.info.frontend_open_orders(user.address)
        assert (row["limitPx"], row["sz"], row["cloid"]) == ("79001.0", "0.02", first.to_raw())
        assert row["tif"] == "Alo"

        only(user.exchange.order("ETH", False, 1.5, 2_100, GTC, cloid=second))
        assert len(user.info.open_orders(user.address)) == 2
        assert only(user.exchange.cancel_by_cloid("ETH", second)) == "success"
        assert only(user.exchange.cancel("BTC", row["oid"])) == "success"
        assert "already canceled" in only(user.exchange.cancel("BTC", row["oid"]))["error"]
        assert user.info.open_orders(user.address) == []
        old = user.info.query_order_by_oid(user.address, row["oid"])
        assert old["order"]["status"] == "canceled"


def bulk_orders(url: str) -> None:
    with trader(url) as user:
        answer = user.exchange.bulk_orders(
            [
                {
                    "coin": "BTC",
                    "is_buy": is_buy,
                    "sz": size,
                    "limit_px": price,
                    "order_type": kind,
                    "reduce_only": reduce_only,
                }
                for is_buy, size, price, kind, reduce_only in (
                    (True, 0.1, 79_500.0, ALO, False),
                    (False, 0.1, 80_500.0, GTC, False),
                    (True, 0.5, 80_010.0, IOC, False),
                    (True, 0.1, 80_020.0, ALO, False),
                    (True, 0.1, 79_000.0, GTC, True),
                    (True, 0.0001, 79_000.0, GTC, False),
                    (True, 0.1, 70_000.0, IOC, False),
                )
            ]
        )
        statuses = answer["response"]["data"]["statuses"]
        assert [next(iter(status)) for status in statuses] == [
            "resting",
            "resting",
            "filled",
            "error",
            "error",
            "error",
            "error",
        ]
        filled = statuses[2]["filled"]
        assert (float(filled["totalSz"]), float(filled["avgPx"])) == (0.5, 80_010.0)
        reasons = ["Post only", "Reduce only", "minimum value of $10", "immediately match"]
        for status, reason in zip(statuses[3:], reasons, strict=True):
            assert reason in status["error"]
            assert status["error"].endswith("asset=0")
        assert user.position() == 0.5


def market_round_trip(url: str) -> None:
    with trader(url) as user:
        assert user.exchange.market_close("BTC") is None  # flat: nothing to close
        filled = only(user.exchange.market_open("BTC", True, 3.0))["filled"]
        assert float(filled["totalSz"]) == 3.0
        assert float(filled["avgPx"]) == pytest.approx((2 * 80_010 + 80_011) / 3, abs=0.1)
        assert user.position() == 3.0
        filled = only(user.exchange.market_close("BTC", sz=1.0))["filled"]
        assert float(filled["avgPx"]) == 79_990.0
        assert user.position() == 2.0
        only(user.exchange.market_close("BTC"))
        assert user.position() == 0.0
        fills = user.info.user_fills(user.address)
        assert {fill["dir"] for fill in fills} == {"Open Long", "Close Long"}
        pnl = sum(float(fill["closedPnl"]) for fill in fills)
        fees = sum(float(fill["fee"]) for fill in fills)
        volume = sum(float(fill["px"]) * float(fill["sz"]) for fill in fills)
        assert fees == pytest.approx(volume * 0.00045, abs=1e-5)
        value = float(user.info.user_state(user.address)["marginSummary"]["accountValue"])
        assert value == pytest.approx(100_000 + pnl - fees, abs=1e-4)
        since = min(fill["time"] for fill in fills)
        assert len(user.info.user_fills_by_time(user.address, since)) == len(fills)
        assert float(user.info.user_fees(user.address)["userCrossRate"]) == 0.00045
        assert float(user.info.user_rate_limit(user.address)["cumVlm"]) == pytest.approx(volume)


def settings(url: str) -> None:
    with trader(url) as user:
        default = {"status": "ok", "response": {"type": "default"}}
        assert user.exchange.update_leverage(7, "BTC") == default
        only(user.exchange.market_open("BTC", False, 0.1))
        (row,) = user.info.user_state(user.address)["assetPositions"]
        assert row["position"]["leverage"] == {"type": "cross", "value": 7}
        bad = user.exchange.update_leverage(1_000, "BTC")
        assert (bad["status"], "Invalid leverage" in bad["response"]) == ("err", True)
        only(user.exchange.order("BTC", True, 0.01, 79_000, ALO))
        now_ms = user.info.post("/info", {"type": "exchangeStatus"})["time"]
        assert user.exchange.schedule_cancel(now_ms + 60_000) == default
        assert user.exchange.schedule_cancel(None) == default
        early = user.exchange.schedule_cancel(now_ms)
        assert "at least 5 seconds" in early["response"]
        assert user.exchange.noop(now_ms + 1_000) == default
        user.exchange.set_expires_after(now_ms - 1)
        assert user.exchange.cancel("BTC", 1)["response"] == "Action already expired"
        assert len(user.info.open_orders(user.address)) == 1


def agents(url: str) -> None:
    """As in the SDK's example: the owner approves a key; it trades, and cannot approve another."""
    with trader(url) as owner:
        approved, key = owner.exchange.approve_agent()
        assert approved == {"status": "ok", "response": {"type": "default"}}
        agent = SdkExchange(
            Account.from_key(key), url, account_address=owner.address, timeout=TIMEOUT_S
        )
        status = only(agent.order("BTC", True, 0.01, 79_000, GTC))
        (row,) = owner.info.open_orders(owner.address)
        assert only(agent.cancel("BTC", row["oid"])) == "success"
        assert row["oid"] == status["resting"]["oid"]
        refused, _ = agent.approve_agent("mine")
        assert "does not exist" in refused["response"]

        named, second_key = owner.exchange.approve_agent("persist")
        assert named["status"] == "ok"
        assert owner.exchange.approve_agent()[0]["status"] == "ok"  # the first is replaced
        second = Account.from_key(second_key).address
        role = {"role": "agent", "data": {"user": owner.address.lower()}}
        assert owner.info.user_role(second) == role
        assert owner.info.user_role(Account.from_key(key).address) == {"role": "missing"}
        (listed,) = owner.info.extra_agents(owner.address)
        assert (listed["name"], listed["address"]) == ("persist", second.lower())
        for api in (agent, agent.info):
            api.session.close()


def sub_accounts(url: str) -> None:
    """As in the SDK's examples: make one, fund it, trade for it with `vault_address`."""
    with trader(url) as owner:
        made = owner.exchange.create_sub_account("desk")
        sub = made["response"]["data"]
        assert owner.exchange.sub_account_transfer(sub, True, 5_000_000_000)["status"] == "ok"
        (row,) = owner.info.query_sub_accounts(owner.address)
        assert (row["subAccountUser"], row["name"]) == (sub, "desk")
        desk = SdkExchange(owner.exchange.wallet, url, vault_address=sub, timeout=TIMEOUT_S)
        status = only(desk.order("BTC", True, 0.01, 79_000, GTC))
        assert owner.info.open_orders(sub)[0]["oid"] == status["resting"]["oid"]
        assert only(desk.cancel("BTC", status["resting"]["oid"])) == "success"
        assert desk.update_leverage(5, "BTC", is_cross=False)["status"] == "ok"
        assert only(desk.market_open("BTC", True, 0.1))["filled"]["totalSz"] == "0.1"
        assert desk.update_isolated_margin(10, "BTC")["status"] == "ok"
        (held,) = owner.info.user_state(sub)["assetPositions"]
        assert held["position"]["leverage"]["type"] == "isolated"
        assert only(desk.market_close("BTC"))["filled"]["totalSz"] == "0.1"
        back = owner.exchange.sub_account_transfer(sub, False, 1_000_000)
        assert back == {"status": "ok", "response": {"type": "default"}}
        refused = owner.exchange.usd_transfer(1.0, sub)
        assert refused["response"] == "usdSend is not supported by this exchange."
        for api in (desk, desk.info):
            api.session.close()


def market_data(url: str) -> None:
    with trader(url) as user:
        assert user.info.all_mids() == {"BTC": "80000.0", "ETH": "2000.0"}
        book = user.info.l2_snapshot("ETH")
        assert (book["coin"], [len(side) for side in book["levels"]]) == ("ETH", [20, 20])
        meta, contexts = user.info.meta_and_asset_ctxs()
        assert len(meta["universe"]) == len(contexts) == 2
        assert float(contexts[0]["oraclePx"]) == pytest.approx(80_000, rel=0.01)
        only(user.exchange.market_open("BTC", True, 0.1))
        now_ms = user.info.user_fills(user.address)[0]["time"]
        (candle,) = user.info.candles_snapshot("BTC", "1m", now_ms - 60_000, now_ms)
        assert (candle["s"], candle["c"], candle["v"], candle["n"]) == ("BTC", "80010.0", "0.1", 1)
        assert user.info.funding_history("BTC", 0) == []
        assert user.info.user_funding_history(user.address, 0) == []
        assert user.info.historical_orders(user.address)[0]["status"] == "filled"
        assert user.info.user_role(user.address) == {"role": "user"}
        assert user.info.extra_agents(user.address) == []
        with pytest.raises(ClientError) as refused:
            user.info.post("/info", {"type": "weather"})
        assert refused.value.status_code == 422
        with pytest.raises(ServerError):
            user.info.post("/info", {"type": "l2Book", "coin": "BTC", "nSigFigs": 1})


def streams(url: str) -> None:
    """A maker and a taker trade; each hears of it on every channel."""
    with trader(url, 1, streams=True) as maker, trader(url, 2) as taker:
        books, mids = maker.listen("l2Book", coin="BTC"), maker.listen("allMids")
        touches, prints = maker.listen("bbo", coin="BTC"), maker.listen("trades", coin="BTC")
        contexts = maker.listen("activeAssetCtx", coin="BTC")
        fills = maker.listen("userFills", user=maker.address)
        updates = maker.listen("orderUpdates", user=maker.address)
        events = maker.listen("userEvents", user=maker.address)
        assert books.get(timeout=TIMEOUT_S)["levels"][0][0]["px"] == "79990.0"
        assert mids.get(timeout=TIMEOUT_S)["mids"]["ETH"] == "2000.0"
        assert contexts.get(timeout=TIMEOUT_S)["ctx"]["midPx"] == "80000.0"
        assert touches.get(timeout=TIMEOUT_S)["bbo"][1]["px"] == "80010.0"
        snapshot = fills.get(timeout=TIMEOUT_S)
        assert (snapshot["isSnapshot"], snapshot["fills"]) == (True, [])
        assert snapshot["user"] == maker.address.lower()

        cloid = Cloid.from_int(77)
        resting = only(maker.exchange.order("BTC", False, 0.2, 80_005, ALO, cloid=cloid))["resting"]
        (opened,) = updates.get(timeout=TIMEOUT_S)
        assert (opened["status"], opened["order"]["oid"]) == ("open", resting["oid"])
        assert touches.get(timeout=TIMEOUT_S)["bbo"][1] == {"px": "80005.0", "sz": "0.2", "n": 1}
        filled = only(taker.exchange.market_open("BTC", True, 0.2))["filled"]
        assert filled["avgPx"] == "80005.0"

        (trade,) = prints.get(timeout=TIMEOUT_S)
        assert trade["users"] == [taker.address.lower(), maker.address.lower()]
        (fill,) = fills.get(timeout=TIMEOUT_S)["fills"]
        assert (fill["tid"], fill["oid"], fill["cloid"]) == (
            trade["tid"],
            resting["oid"],
            cloid.to_raw(),
        )
        assert (fill["crossed"], fill["side"], fill["dir"]) == (False, "A", "Open Short")
        assert float(fill["fee"]) == pytest.approx(0.2 * 80_005 * 0.00015, abs=1e-6)
        assert events.get(timeout=TIMEOUT_S) == {"fills": [fill]}
        (done,) = updates.get(timeout=TIMEOUT_S)
        assert (done["status"], done["order"]["cloid"]) == ("filled", cloid.to_raw())
        assert (maker.position(), taker.position()) == (-0.2, 0.2)


def a_trailing_slash(url: str) -> None:
    with trader(url + "/", streams=True) as user:
        books = user.listen("l2Book", coin="BTC")
        assert books.get(timeout=TIMEOUT_S)["coin"] == "BTC"
        only(user.exchange.order("BTC", True, 0.01, 79_000, ALO))


@pytest.mark.parametrize(
    "script",
    [
        place_modify_cancel,
        bulk_orders,
        market_round_trip,
        settings,
        agents,
        sub_accounts,
        market_data,
        streams,
        a_trailing_slash,
    ],
)
async def test_the_official_sdk(server: HyperliquidServer, script: Callable[[str], None]) -> None:
    await asyncio.to_thread(script, server.url)
