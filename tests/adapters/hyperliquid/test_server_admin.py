"""Faults of a running exchange are switched from its own machine, and from nowhere else."""

import json

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import HTTPForbidden

from mm.adapters.hyperliquid.server import FAULTS, Cadence, Options
from mm.adapters.hyperliquid.server.admin import PATH, Admin
from mm.adapters.hyperliquid.server.mischief import Mischief
from tests.adapters.hyperliquid.rig import ALICE, Json, Rig, order, place, rig, statuses

RESTING = place(order(True, "79000", "0.5", "Alo"))


async def switch(venue: Rig, **setting: object) -> Json:
    async with venue.http.post(f"{venue.server.url}{PATH}", json=setting) as reply:
        assert reply.status == 200, await reply.text()
        told: Json = await reply.json()
        return told


async def test_a_fault_is_switched_on_and_off_while_clients_are_served() -> None:
    async with rig() as venue:
        told = await switch(venue, set={"too_many": 1.0})
        assert told["faults"]["too_many"] == 1.0
        assert await venue.post("/info", '{"type":"allMids"}') == (429, "null")
        await switch(venue, name="none")
        await venue.info(type="allMids")


async def test_every_named_fault_can_be_set_and_is_told() -> None:
    async with rig() as venue:
        for name, faults in FAULTS.items():
            await switch(venue, name=name)
            assert venue.server.mischief.faults == faults
            async with venue.http.get(f"{venue.server.url}{PATH}") as reply:
                assert (await reply.json())["names"] == list(FAULTS)


async def test_connections_are_cut_or_silenced_on_demand() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.settle()
        await switch(venue, silence=True)
        assert all(connection.silent for connection in venue.server.connections)
        await switch(venue, drop=True)
        assert await client.is_cut()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"name":"rain"}', "no faults named 'rain'"),
        ('{"set":{"lost_reply":"often"}}', "lost_reply"),
        ('{"drip":true}', "unknown field `drip`"),
        ("{", "truncated"),
    ],
)
async def test_nonsense_changes_nothing_and_says_why(body: str, words: str) -> None:
    async with rig() as venue:
        before = venue.server.mischief.faults
        headers = {"Content-Type": "application/json"}
        url = f"{venue.server.url}{PATH}"
        async with venue.http.post(url, data=body, headers=headers) as reply:
            assert (reply.status, words in await reply.text()) == (422, True)
        assert venue.server.mischief.faults == before


async def test_a_form_on_a_web_page_is_refused() -> None:
    async with rig() as venue:
        assert (await venue.post(PATH, '{"drop":true}'))[0] == 415


@pytest.mark.parametrize("remote", ["192.168.1.7", "2001:db8::1", "", "unix"])
async def test_other_machines_are_refused(remote: str) -> None:
    admin = Admin(Mischief(Options()), lambda: 0, lambda: 0)
    request = make_mocked_request("POST", PATH).clone(remote=remote)
    for door in (admin.tell, admin.switch):
        with pytest.raises(HTTPForbidden):
            await door(request)


async def test_on_a_spent_budget_only_cancels_are_taken() -> None:
    async with rig() as venue:
        (placed,) = statuses(await venue.act(ALICE, RESTING))
        await switch(venue, name="spent-budget")
        answer = await venue.act(ALICE, RESTING)
        assert answer["response"].startswith("Too many cumulative requests sent (")
        cancel = {"type": "cancel", "cancels": [{"a": 0, "o": placed["resting"]["oid"]}]}
        assert statuses(await venue.act(ALICE, cancel)) == ["success"]


async def test_a_forgetful_venue_knows_only_what_is_open() -> None:
    options = Options(cadence=Cadence(pump_s=3600.0))
    async with rig(options) as venue, venue.connect() as client:
        (placed,) = statuses(await venue.act(ALICE, RESTING))
        oid = placed["resting"]["oid"]
        await switch(venue, set={"forgetful": True})
        question = {"type": "orderStatus", "user": ALICE.address, "oid": oid}
        assert (await venue.info(**question))["order"]["status"] == "open"
        await venue.act(ALICE, {"type": "cancel", "cancels": [{"a": 0, "o": oid}]})
        assert await venue.info(**question) == {"status": "unknownOid"}
        payload = json.dumps(question)
        await client.say(
            f'{{"method":"post","id":1,"request":{{"type":"info","payload":{payload}}}}}'
        )
        found = await client.until("post")
        assert found["response"]["payload"]["data"] == {"status": "unknownOid"}


async def test_a_quiet_socket_is_cut_sooner() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.settle()
        await switch(venue, name="idle")
        venue.advance(4_900)
        await client.settle()
        venue.advance(5_100)
        assert await client.is_cut()


async def test_requests_weigh_more() -> None:
    async with rig() as venue:
        await switch(venue, set={"rules": {"weight_factor": 600}})
        await venue.info(type="allMids")
        assert (await venue.post("/info", '{"type":"allMids"}'))[0] == 429


async def test_the_dead_mans_switch_is_refused_whatever_was_traded() -> None:
    async with rig() as venue:
        action = {"type": "scheduleCancel", "time": venue.now_ms + 60_000}
        assert (await venue.act(ALICE, action))["status"] == "ok"
        await switch(venue, name="no-dead-man")
        answer = await venue.act(ALICE, action)
        assert answer["response"].startswith("Cannot set scheduled cancel time until enough")
        await switch(venue, name="none")
        assert (await venue.act(ALICE, action))["status"] == "ok"


async def test_a_batch_may_be_refused_with_one_status() -> None:
    async with rig() as venue:
        await switch(venue, set={"rules": {"single_status": 1.0}})
        one = order(True, "79000", "0.5", "Alo")
        assert statuses(await venue.act(ALICE, place(one, one))) == [
            {"error": "Order has invalid price."}
        ]
        assert "resting" in statuses(await venue.act(ALICE, place(one)))[0]
        assert len(venue.exchange.open_orders(ALICE.address)) == 1
