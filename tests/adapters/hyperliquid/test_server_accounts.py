"""On the wire: who acts for whom, sub-accounts, margin put aside, and what is done elsewhere."""

import json
from decimal import Decimal
from typing import Any

from mm.adapters.hyperliquid.server.account_requests import ELSEWHERE_ONLY
from mm.adapters.hyperliquid.sign import Signer
from tests.adapters.hyperliquid.rig import ALICE, BOB, Json, Rig, order, place, rig, statuses

WALLET = Signer("0x" + "e1" * 32)
VAULT = "0x" + "7a" * 20
DEFAULT = {"status": "ok", "response": {"type": "default"}}
RESTING = place(order(True, "79000", "0.01", "Alo"))


async def acting(venue: Rig, signer: Signer, account: str, action: Json) -> Json:
    """The action with `vaultAddress`, which is signed for."""
    envelope = venue.signed(signer, action, vaultAddress=account)
    nonce = envelope["nonce"]
    envelope["signature"] = signer.sign(action, nonce, account.lower(), None, mainnet=False)
    return await venue.send(envelope)


async def sub_account(venue: Rig, usd: int = 5_000) -> str:
    made = await venue.act(ALICE, {"type": "createSubAccount", "name": "desk"})
    assert made["response"]["type"] == "createSubAccount"
    address: str = made["response"]["data"]
    moved = {"type": "subAccountTransfer", "subAccountUser": address, "isDeposit": True}
    assert await venue.act(ALICE, moved | {"usd": usd * 10**6}) == DEFAULT
    return address


async def test_a_sub_account_trades_and_is_asked_about_like_any_other() -> None:
    async with rig() as venue, venue.connect() as client:
        assert await venue.info(type="subAccounts", user=ALICE.address) is None
        sub = await sub_account(venue)
        venue.exchange.register_agent(ALICE.address, WALLET.address, "mm")
        await client.subscribe(type="userFills", user=sub)
        assert (await client.until("userFills"))["isSnapshot"]
        for signer in (ALICE, WALLET):
            upper = "0x" + sub[2:].upper()
            (status,) = statuses(await acting(venue, signer, upper, RESTING))
            assert "resting" in status
        (status,) = statuses(
            await acting(venue, WALLET, sub, place(order(True, "80020", "0.1", "Ioc")))
        )
        assert status["filled"]["totalSz"] == "0.1"
        assert (await client.until("userFills"))["fills"][0]["oid"] == status["filled"]["oid"]
        (row,) = await venue.info(type="subAccounts", user=ALICE.address)
        assert (row["name"], row["subAccountUser"], row["master"]) == ("desk", sub, ALICE.address)
        (held,) = row["clearinghouseState"]["assetPositions"]
        assert held["position"]["szi"] == "0.1"
        assert len(await venue.info(type="openOrders", user=sub)) == 2
        assert await venue.info(type="openOrders", user=ALICE.address) == []
        assert await venue.info(type="userFills", user=ALICE.address) == []


async def test_the_signature_covers_the_account_that_is_acted_for() -> None:
    async with rig() as venue:
        sub = await sub_account(venue)
        venue.exchange.register_vault(ALICE.address, VAULT)
        envelope = venue.signed(ALICE, RESTING)
        changed = await venue.send(envelope | {"vaultAddress": sub})
        assert "does not exist" in changed["response"] or "not registered" in changed["response"]
        assert venue.exchange.open_orders(sub) == []


async def test_strangers_and_unknown_vaults_are_refused() -> None:
    async with rig() as venue:
        sub = await sub_account(venue)
        for signer, account in ((BOB, sub), (ALICE, VAULT)):
            answer = await acting(venue, signer, account, RESTING)
            assert answer == {"status": "err", "response": f"Vault not registered: {account}"}


async def test_a_vaults_leader_funds_it_and_trades_for_it() -> None:
    async with rig() as venue:
        venue.exchange.register_vault(ALICE.address, VAULT)
        transfer = {"type": "vaultTransfer", "vaultAddress": VAULT, "isDeposit": True, "usd": 10**9}
        assert await venue.act(ALICE, transfer) == DEFAULT
        assert "resting" in statuses(await acting(venue, ALICE, VAULT, RESTING))[0]
        assert await venue.info(type="userRole", user=VAULT) == {"role": "vault"}


async def test_a_role_names_the_master() -> None:
    async with rig() as venue:
        sub = await sub_account(venue)
        until = venue.now_ms + 86_400_000
        venue.exchange.register_agent(ALICE.address, WALLET.address, "mm", until)
        master = ALICE.address
        roles = {
            WALLET.address: {"role": "agent", "data": {"user": master}},
            sub: {"role": "subAccount", "data": {"master": master}},
            master: {"role": "user"},
        }
        for address, role in roles.items():
            assert await venue.info(type="userRole", user=address) == role
        assert await venue.info(type="extraAgents", user=master) == [
            {"name": "mm", "address": WALLET.address, "validUntil": until}
        ]
        assert await venue.info(type="extraAgents", user=sub) == []


async def test_isolated_margin_and_requests_are_paid_for() -> None:
    async with rig() as venue:
        leverage = {"type": "updateLeverage", "asset": 0, "isCross": False, "leverage": 10}
        assert await venue.act(ALICE, leverage) == DEFAULT
        await venue.act(ALICE, place(order(True, "80020", "0.1", "Ioc")))
        aside = {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 50_000_000}
        assert await venue.act(ALICE, aside) == DEFAULT
        state = await venue.info(type="clearinghouseState", user=ALICE.address)
        (row,) = state["assetPositions"]
        assert row["position"]["leverage"]["type"] == "isolated"
        paid = Decimal("0.1") * 80_010
        lost = Decimal("0.1") * (80_000 - 80_010)
        assert Decimal(row["position"]["marginUsed"]) == 50 + paid / 10 + lost
        pool, whole = state["crossMarginSummary"], state["marginSummary"]
        assert Decimal(pool["accountValue"]) == (
            Decimal(whole["accountValue"]) - Decimal(row["position"]["marginUsed"])
        )
        assert pool["totalMarginUsed"] == pool["totalNtlPos"] == "0.0"
        assert pool["totalRawUsd"] == pool["accountValue"]
        data = await venue.info(type="activeAssetData", user=ALICE.address, coin="BTC")
        assert data["leverage"] == {"type": "isolated", "value": 10}
        assert data["availableToTrade"] == [state["withdrawable"]] * 2

        assert await venue.act(BOB, {"type": "reserveRequestWeight", "weight": 100}) == DEFAULT
        limit = await venue.info(type="userRateLimit", user=BOB.address)
        assert (limit["nRequestsUsed"], limit["nRequestsSurplus"]) == (0, 99)


async def test_what_is_done_elsewhere_only_says_so() -> None:
    """Over HTTP and the websocket; nothing of it is executed, nothing crashes."""
    trigger = {"trigger": {"isMarket": True, "triggerPx": "1", "tpsl": "tp"}}
    actions: list[Json] = [
        place(order(True, "1", "1") | {"t": trigger}),
        {"type": "usdSend", "destination": VAULT, "amount": "1", "time": 1},
        *({"type": kind} for kind in sorted(ELSEWHERE_ONLY)),
    ]
    async with rig() as venue, venue.connect() as client:
        for number, action in enumerate(actions):
            envelope: dict[str, Any] = venue.signed(ALICE, action)
            answer = await venue.send(envelope)
            assert answer["status"] == "err"
            assert answer["response"].endswith("not supported by this exchange.")
            request = {"type": "action", "payload": envelope}
            await client.say({"method": "post", "id": number, "request": request})
            told = await client.until("post")
            assert told == {"id": number, "response": {"type": "action", "payload": answer}}


async def test_unknown_actions_and_questions_are_malformed() -> None:
    async with rig() as venue:
        envelope = venue.signed(ALICE, {"type": "printMoney"})
        status, text = await venue.post("/exchange", json.dumps(envelope))
        assert (status, text) == (422, "Failed to deserialize the JSON body into the target type")
        status, text = await venue.post("/info", '{"type":"delegations"}')
        assert (status, "no answer to 'delegations'" in text) == (422, True)


async def test_builders_are_paid_by_nobody() -> None:
    async with rig() as venue:
        free = RESTING | {"builder": {"b": VAULT, "f": 0}}
        assert "resting" in statuses(await venue.act(ALICE, free))[0]
        paid = RESTING | {"builder": {"b": VAULT, "f": 10}}
        answer = await venue.act(ALICE, paid)
        assert answer == {"status": "err", "response": "Builder fee has not been approved"}


async def test_listed_spot_pairs_are_silent() -> None:
    async with rig() as venue, venue.connect() as client:
        meta = await venue.info(type="spotMeta")
        assert [pair["name"] for pair in meta["universe"]] == ["PURR/USDC", "@1"]
        both, contexts = await venue.info(type="spotMetaAndAssetCtxs")
        assert both == meta
        assert [row["coin"] for row in contexts] == ["PURR/USDC", "@1"]
        for kind in ("trades", "activeAssetCtx", "l2Book"):
            await client.subscribe(type=kind, coin="@1")
            gone = {"method": "unsubscribe", "subscription": {"type": kind, "coin": "@1"}}
            await client.say(gone)
            assert (await client.until("subscriptionResponse"))["method"] == "unsubscribe"
        venue.advance(10_000)
        assert await client.settle() == []
        assert await venue.info(type="l2Book", coin="PURR/USDC") is None
        (status,) = statuses(
            await venue.act(ALICE, place(order(True, "1", "20", "Gtc") | {"a": 10_000}))
        )
        assert status == {"error": "Spot is not supported by this exchange. asset=10000"}


async def test_what_can_be_traded_is_told_on_a_channel() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="activeAssetData", user=ALICE.address, coin="BTC")
        told = await client.until("activeAssetData")
        assert told == await venue.info(type="activeAssetData", user=ALICE.address, coin="BTC")


async def test_funding_paid_may_be_asked_for_without_a_start() -> None:
    """As ccxt asks."""
    async with rig() as venue:
        await venue.act(ALICE, place(order(True, "80020", "0.1", "Ioc")))
        venue.clock.now_ns += 3_600_000_000_000
        venue.advance(100)
        (paid,) = await venue.info(type="userFunding", user=ALICE.address)
        assert paid["delta"]["szi"] == "0.1"
        asked = {"type": "userFunding", "user": ALICE.address, "startTime": paid["time"] + 1}
        assert await venue.info(**asked) == []
