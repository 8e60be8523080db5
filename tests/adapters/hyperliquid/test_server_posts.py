"""Requests over the websocket, and replies that come late or never."""

import asyncio
import json

import aiohttp
import pytest

from mm.adapters.hyperliquid.server import Cadence, Limits, Options
from tests.adapters.hyperliquid.rig import ALICE, Client, Json, Parsed, order, place, rig

STILL = Cadence(pump_s=3600.0)
RESTING = place(order(True, "79000", "0.5", "Alo"))


async def post(client: Client, post_id: int, kind: str, payload: object) -> None:
    request = {"type": kind, "payload": payload}
    await client.say({"method": "post", "id": post_id, "request": request})


async def answered(client: Client) -> tuple[int, str, Parsed]:
    data = await client.until("post")
    return data["id"], data["response"]["type"], data["response"]["payload"]


async def test_an_action_is_answered_under_its_id() -> None:
    async with rig() as venue, venue.connect() as client:
        await post(client, 256, "action", venue.signed(ALICE, RESTING))
        await client.settle()
        venue.advance()
        post_id, kind, payload = await answered(client)
        assert (post_id, kind, payload["status"]) == (256, "action", "ok")
        (status,) = payload["response"]["data"]["statuses"]
        (row,) = await venue.info(type="openOrders", user=ALICE.address)
        assert status == {"resting": {"oid": row["oid"]}}


async def test_refusals_come_in_the_payload() -> None:
    async with rig() as venue, venue.connect() as client:
        nobody = {"r": "0x0", "s": "0x0", "v": 27}
        await post(client, 1, "action", venue.signed(ALICE, RESTING, signature=nobody))
        refused = {"status": "err", "response": "Unable to recover signer."}
        assert await answered(client) == (1, "action", refused)


async def test_info_is_answered_at_once_with_its_type() -> None:
    async with rig() as venue, venue.connect() as client:
        await post(client, 257, "info", {"type": "l2Book", "coin": "BTC"})
        post_id, kind, payload = await answered(client)
        assert (post_id, kind, payload["type"]) == (257, "info", "l2Book")
        assert payload["data"] == await venue.info(type="l2Book", coin="BTC")
        await post(client, 258, "info", {"type": "l2Book", "coin": "NOPE"})
        assert await answered(client) == (258, "info", {"type": "l2Book", "data": None})


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        ("info", {"type": "weather"}, "422"),
        ("info", None, "422"),
        ("info", {"type": "l2Book", "coin": "BTC", "nSigFigs": 9}, "500"),
        ("action", {"action": {"type": "noop"}}, "422"),
        ("action", [], "422"),
    ],
)
async def test_what_http_would_refuse_is_an_error_response(
    kind: str, payload: object, text: str
) -> None:
    async with rig() as venue, venue.connect() as client:
        await post(client, 3, kind, payload)
        post_id, kind, told = await answered(client)
        assert (post_id, kind) == (3, "error")
        assert told.startswith(text)


async def test_a_hundred_posts_may_be_in_flight() -> None:
    async with rig() as venue, venue.connect() as client:
        for i in range(101):
            await post(client, i, "action", venue.signed(ALICE, {"type": "noop"}))
        assert await client.until("error") == "too many pending post requests id=100"
        venue.advance()
        assert {(await answered(client))[0] for _ in range(100)} == set(range(100))
        await post(client, 101, "action", venue.signed(ALICE, {"type": "noop"}))
        await client.settle()
        venue.advance()
        assert (await answered(client))[1] == "action"


async def test_weight_is_shared_by_http_and_posts() -> None:
    options = Options(cadence=STILL, limits=Limits(weight_per_min=41))
    async with rig(options) as venue, venue.connect() as client:
        await venue.info(type="meta")  # 20
        await venue.info(type="l2Book", coin="BTC")  # 2
        await venue.info(type="userFills", user=ALICE.address)  # 20: now spent
        for path in ("/info", "/exchange"):
            assert await venue.post(path, "{}") == (429, "null")
        await post(client, 1, "info", {"type": "meta"})
        assert await answered(client) == (1, "error", "429 Too Many Requests")
        venue.advance(60_000)
        await venue.info(type="meta")


async def test_a_reply_can_be_lost_after_execution() -> None:
    options = Options(cadence=STILL, on_reply=lambda: None)
    async with rig(options) as venue, venue.connect() as client:
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await venue.act(ALICE, RESTING)
        await post(client, 1, "action", venue.signed(ALICE, RESTING))
        await client.settle()
        venue.advance()
        assert await client.is_cut()
        assert len(await venue.info(type="openOrders", user=ALICE.address)) == 2


async def test_a_reply_can_be_late() -> None:
    delays: list[float] = [0.02, 0.02]
    options = Options(cadence=STILL, on_reply=delays.pop)
    async with rig(options) as venue, venue.connect() as client:
        answer = await venue.act(ALICE, RESTING)
        assert answer["status"] == "ok"
        await post(client, 1, "action", venue.signed(ALICE, RESTING))
        await client.settle()
        venue.advance()
        assert await client.settle() == []  # executed, not yet told
        assert len(await venue.info(type="openOrders", user=ALICE.address)) == 2
        assert (await answered(client))[1] == "action"
        assert not delays


async def test_a_client_that_leaves_before_its_answer_harms_nobody() -> None:
    async with rig() as venue:
        envelope: Json = venue.signed(ALICE, RESTING)
        async with venue.connect() as client:
            await post(client, 1, "action", envelope)
            await client.settle()
        impatient = asyncio.create_task(
            venue.post("/exchange", json.dumps(venue.signed(ALICE, RESTING)))
        )
        await asyncio.wait({impatient}, timeout=0.02)
        impatient.cancel()
        venue.advance()
        assert len(await venue.info(type="openOrders", user=ALICE.address)) >= 1
        assert (await venue.act(ALICE, RESTING))["status"] == "ok"
