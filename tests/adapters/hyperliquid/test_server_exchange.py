"""`/exchange` over HTTP: answers, refusals, normalisation, signatures."""

import json

import pytest

from mm.adapters.hyperliquid.sign import Signer
from tests.adapters.hyperliquid.rig import ALICE, BOB, order, place, rig, statuses

CLOID = "0x" + "0" * 31 + "1"


async def test_an_order_rests_and_is_listed() -> None:
    async with rig() as venue:
        (status,) = statuses(
            await venue.act(ALICE, place(order(True, "79000", "0.5", "Alo", c=CLOID)))
        )
        oid = status["resting"]["oid"]
        assert status == {"resting": {"oid": oid, "cloid": CLOID}}
        (row,) = await venue.info(type="openOrders", user=ALICE.address)
        assert (row["oid"], row["side"], row["limitPx"], row["sz"]) == (oid, "B", "79000.0", "0.5")
        (row,) = await venue.info(type="frontendOpenOrders", user=ALICE.address, dex="")
        assert (row["tif"], row["cloid"], row["orderType"]) == ("Alo", CLOID, "Limit")
        for name in (oid, CLOID):
            found = await venue.info(type="orderStatus", user=ALICE.address, oid=name)
            assert found["order"]["order"] == row
            assert found["order"]["status"] == "open"


async def test_two_clients_trade_with_each_other() -> None:
    async with rig() as venue:
        await venue.act(ALICE, place(order(False, "80005", "0.5", "Alo")))
        (status,) = statuses(await venue.act(BOB, place(order(True, "80006", "0.3", "Ioc"))))
        assert status["filled"]["totalSz"] == "0.3"
        assert status["filled"]["avgPx"] == "80005.0"
        (bob,) = await venue.info(type="userFills", user=BOB.address)
        (alice,) = await venue.info(type="userFills", user=ALICE.address)
        assert (bob["side"], bob["crossed"], bob["dir"]) == ("B", True, "Open Long")
        assert (alice["side"], alice["crossed"], alice["dir"]) == ("A", False, "Open Short")
        assert bob["tid"] == alice["tid"]
        assert float(bob["fee"]) == pytest.approx(0.3 * 80005 * 0.00045, abs=1e-6)
        assert float(alice["fee"]) == pytest.approx(0.3 * 80005 * 0.00015, abs=1e-6)
        state = await venue.info(type="clearinghouseState", user=ALICE.address, dex="")
        assert state["assetPositions"][0]["position"]["szi"] == "-0.3"
        (left,) = await venue.info(type="openOrders", user=ALICE.address)
        assert (left["sz"], left["origSz"]) == ("0.2", "0.5")


async def test_batch_errors_are_per_item_and_aligned() -> None:
    async with rig() as venue:
        answer = await venue.act(
            ALICE,
            place(
                order(True, "79000", "0.01", "Alo"),
                order(True, "79000", "0.00001", "Alo"),
                order(True, "80011", "0.01", "Alo"),
                order(True, "79000.5", "0.01", "Alo"),
            ),
        )
        rests, small, crosses, off_tick = statuses(answer)
        assert "resting" in rests
        assert small["error"].startswith("Order must have minimum value of $10.")
        assert crosses["error"].startswith("Post only order would have immediately matched")
        assert off_tick["error"].startswith("Price must be divisible by tick size.")


async def test_cancel_modify_and_their_refusals() -> None:
    async with rig() as venue:
        action = place(order(True, "79000", "0.01", "Alo", c=CLOID))
        oid = statuses(await venue.act(ALICE, action))[0]["resting"]["oid"]
        change = {"oid": oid, "order": order(True, "79001", "0.02", "Alo", c=CLOID)}
        (moved,) = statuses(await venue.act(ALICE, {"type": "batchModify", "modifies": [change]}))
        assert moved["resting"]["oid"] != oid
        assert moved["resting"]["cloid"] == CLOID
        change = {"oid": CLOID, "order": order(True, "79002", "0.02", "Alo", c=CLOID)}
        answer = await venue.act(ALICE, {"type": "modify", **change})
        assert answer == {"status": "ok", "response": {"type": "default"}}
        (gone,) = statuses(
            await venue.act(ALICE, {"type": "cancel", "cancels": [{"a": 0, "o": oid}]})
        )
        assert gone["error"].startswith("Order was never placed, already canceled, or filled.")
        by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}]}
        answer = await venue.act(ALICE, by_cloid)
        assert answer["response"] == {"type": "cancel", "data": {"statuses": ["success"]}}
        answer = await venue.act(ALICE, {"type": "modify", **change})
        assert answer["status"] == "err"
        assert answer["response"].startswith("Cannot modify canceled or filled order")
        assert await venue.info(type="openOrders", user=ALICE.address) == []


async def test_actions_without_items_answer_default() -> None:
    async with rig() as venue:
        default = {"status": "ok", "response": {"type": "default"}}
        assert await venue.act(ALICE, {"type": "noop"}) == default
        leverage = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 7}
        assert await venue.act(ALICE, leverage) == default
        later = venue.now_ms + 60_000
        assert await venue.act(ALICE, {"type": "scheduleCancel", "time": later}) == default
        assert await venue.act(ALICE, {"type": "scheduleCancel"}) == default
        too_early = await venue.act(ALICE, {"type": "scheduleCancel", "time": venue.now_ms})
        assert too_early["response"].startswith("Scheduled cancel time too early")


async def test_more_than_200_items_are_over_weight() -> None:
    async with rig() as venue:
        cancels = [{"a": 0, "o": i} for i in range(201)]
        answer = await venue.act(ALICE, {"type": "cancel", "cancels": cancels})
        assert answer == {"status": "err", "response": "Signed action over weight limit of 200."}
        assert (
            len(statuses(await venue.act(ALICE, {"type": "cancel", "cancels": cancels[:200]})))
            == 200
        )


async def test_a_mainnet_signature_is_refused() -> None:
    async with rig() as venue:
        await venue.info(type="clearinghouseState", user=ALICE.address)
        envelope = venue.signed(ALICE, place(order(True, "79000", "0.5")))
        mainnet = ALICE.sign(envelope["action"], envelope["nonce"], None, None, mainnet=True)
        answer = await venue.send(envelope | {"signature": mainnet})
        assert answer["status"] == "err"
        assert answer["response"].endswith("does not exist.")
        assert await venue.info(type="openOrders", user=ALICE.address) == []


async def test_text_variations_are_normalised_before_hashing() -> None:
    """The venue hashes what it parsed: key order, trailing zeros and case do not matter."""
    async with rig() as venue:
        cloid = "0x" + "ab" * 16
        canonical = place(order(True, "79000", "0.5", "Alo", c=cloid))
        envelope = venue.signed(ALICE, canonical)
        varied = order(True, "79000.00", "0.500", "Alo", c=cloid.upper().replace("X", "x"))
        action = {"grouping": "na", "orders": [dict(reversed(varied.items()))], "type": "order"}
        (status,) = statuses(await venue.send(envelope | {"action": action}))
        assert status["resting"]["cloid"] == cloid
        assert len(await venue.info(type="openOrders", user=ALICE.address)) == 1


async def test_hashing_what_is_not_canonical_signs_for_a_stranger() -> None:
    async with rig() as venue:
        await venue.act(ALICE, place(order(True, "79000.0", "0.5", "Alo")))
        assert await venue.info(type="openOrders", user=ALICE.address) == []


async def test_vault_and_expiry_are_part_of_what_is_signed() -> None:
    async with rig() as venue:
        action, nonce, expires = {"type": "noop"}, venue.now_ms + 7, venue.now_ms - 1
        signature = ALICE.sign(action, nonce, None, expires, mainnet=False)
        envelope = {"action": action, "nonce": nonce, "signature": signature}
        answer = await venue.send(envelope | {"expiresAfter": expires})
        assert answer == {"status": "err", "response": "Action already expired"}
        vault = BOB.address.upper().replace("X", "x")
        signature = ALICE.sign(action, nonce + 1, BOB.address, None, mainnet=False)
        envelope = {"action": action, "nonce": nonce + 1, "signature": signature}
        answer = await venue.send(envelope | {"vaultAddress": vault})
        assert answer["response"].startswith("Vault not registered")


async def test_a_nonce_is_used_once() -> None:
    async with rig() as venue:
        envelope = venue.signed(ALICE, {"type": "noop"})
        assert (await venue.send(envelope))["status"] == "ok"
        answer = await venue.send(envelope)
        assert answer["status"] == "err"
        assert answer["response"].startswith("Invalid nonce: duplicate nonce")


async def test_an_agent_trades_for_its_master() -> None:
    async with rig() as venue:
        agent = Signer("0x" + "c3" * 32)
        venue.exchange.register_agent(ALICE.address, agent.address)
        await venue.act(agent, place(order(True, "79000", "0.5", "Alo")))
        assert len(await venue.info(type="openOrders", user=ALICE.address)) == 1
        assert await venue.info(type="openOrders", user=agent.address) == []
        assert (await venue.info(type="userRole", user=agent.address))["role"] == "agent"
        assert (await venue.info(type="userRole", user=ALICE.address))["role"] == "user"
        state = await venue.info(type="clearinghouseState", user=agent.address)
        assert state["marginSummary"]["accountValue"] == "0.0"


GOOD = place(order(True, "79000", "0.5"))


@pytest.mark.parametrize(
    "change",
    [
        {"action": {"type": "printMoney"}},
        {"action": {"type": "order"}},
        {"action": {"type": "cancel", "cancels": [{"a": 0, "o": 1}], "f": False}},
        {"action": {"type": "modify", "oid": 1, "order": order(True, "1", "1"), "a": False}},
        {"action": place(order(True, "-1", "1"))},
        {"action": place(order(True, "1e5", "1"))},
        {"action": place(order(True, "1\n", "1"))},
        {"action": place(order(True, "NaN", "1"))},
        {"action": place(order(True, "1", "1", c="0x12"))},
        {"action": place(order(True, "1", "1", c=None) | {"t": {}})},
        {"action": place(order(True, "1", "1", tif="Fok"))},
        {"action": place(order(True, 79000, "1"))},  # type: ignore[arg-type]  # on purpose
        {"nonce": "17"},
        {"nonce": -1},
        {"nonce": 2**64},
        {"signature": None},
        {"signature": {"r": "0x1", "s": "0x1"}},
        {"vaultAddress": "0x12"},
        {"expiresAfter": "soon"},
    ],
)
async def test_malformed_bodies_are_422_in_plain_text(change: dict[str, object]) -> None:
    async with rig() as venue:
        status, text = await venue.post("/exchange", json.dumps(venue.signed(ALICE, GOOD) | change))
        assert (status, text) == (422, "Failed to deserialize the JSON body into the target type")


async def test_a_signature_of_nobody_is_refused_in_band() -> None:
    async with rig() as venue:
        nobody = {"r": "0x0", "s": "0x0", "v": 27}
        answer = await venue.send(venue.signed(ALICE, GOOD) | {"signature": nobody})
        assert answer == {"status": "err", "response": "Unable to recover signer."}
