"""The venue reads so many frames a minute and answers so many at a time: storms, to the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import structs

from mm.adapters.hyperliquid.budget import MessageMeter
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Cancel
from mm.model.events import Link, OrderOpened, RejectCode, Rejected
from mm.model.units import NS_PER_S
from tests.adapters.hyperliquid.rig import ALICE, Client, rig
from tests.adapters.hyperliquid.stand import (
    PATIENT,
    Probe,
    Stand,
    bid,
    cloid,
    live,
    stand,
    until,
)

SCARCE = 120
STORM = 150


@asynccontextmanager
async def scarce(counted: int) -> AsyncIterator[tuple[Stand, HyperliquidVenue, Probe]]:
    """A venue that reads `SCARCE` frames a minute, and a client that believes in `counted`."""
    limits = structs.replace(PATIENT, messages_per_min=SCARCE)
    async with stand(limits=limits) as at, live(at) as (venue, probe):
        venue.stream.messages.limit = counted
        yield at, venue, probe


async def storm(at: Stand, venue: HyperliquidVenue) -> None:
    """An order and its cancel, again and again, each in a frame of its own."""
    for number in range(1, STORM + 1):
        venue.send([bid(number)])
        await asyncio.sleep(0)
        venue.send([Cancel(cloid(number))])
        await asyncio.sleep(0)


async def test_a_storm_is_held_before_the_venue_cuts_us_off_and_cancels_all_go() -> None:
    async with scarce(SCARCE) as (at, venue, probe):
        venue.send([bid(1000)])
        await probe.first(OrderOpened)

        await storm(at, venue)
        venue.send([Cancel(cloid(1000))])

        held = await probe.first(Rejected, lambda one: one.code is RejectCode.RATE)
        assert "websocket messages" in held.message
        await until(lambda: not at.resting())
        await probe.until(lambda: not venue.own.any_in_flight)
        assert probe.links == [True], "it was never cut off"
        assert venue.stream.messages.spare > 0, "what is kept for pings"
        assert venue.health.left()["messages"] == venue.stream.messages.spare


async def test_the_same_storm_uncounted_is_cut_off() -> None:
    async with scarce(100 * SCARCE) as (at, venue, probe):
        await storm(at, venue)
        await probe.until(lambda: False in probe.links)


async def test_a_new_connection_waits_for_room_for_its_subscriptions() -> None:
    """Without them it would be of no use, and be cut off for trying."""
    async with stand() as at, live(at) as (venue, probe):
        ago = [58 * NS_PER_S]
        venue.stream.messages = meter = MessageMeter(lambda: at.clock.now() - ago[0], SCARCE)
        while meter.spare > 3:
            meter.spend()
        ago[0] = 0
        wait_s = meter.wait_s(7)
        assert 1.0 < wait_s <= 2.0

        dropped = at.clock.now()
        at.server.drop_all()
        await probe.up(times=2)

        assert probe.of(Link)[-1].ts - dropped >= (wait_s - 0.2) * NS_PER_S


def test_messages_are_counted_over_the_last_minute_and_the_last_are_kept() -> None:
    now = [0]
    meter = MessageMeter(lambda: now[0], limit=100)
    for _ in range(90):
        meter.spend()
    assert (meter.may_add_risk, meter.may_cancel) == (True, True)
    meter.spend()
    assert (meter.may_add_risk, meter.may_cancel) == (False, True)
    now[0] = 20 * NS_PER_S
    for _ in range(5):
        meter.spend()
    assert (meter.spare, meter.may_cancel) == (4, False)
    assert (meter.wait_s(4), meter.wait_s(5)) == (0.0, 40.0)
    now[0] = 60 * NS_PER_S
    assert meter.spare == 95
    assert meter.wait_s(99) == 20.0


async def test_the_last_posts_in_flight_are_for_cancels_and_then_they_go_by_rest() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        posts = venue._sender.posts
        while posts.may_add_risk:
            posts.expect(lambda _: None, lambda _: None)
        venue.send([bid(2)])
        held = await probe.first(Rejected)
        assert (held.cloid, held.code) == (cloid(2), RejectCode.RATE)
        assert "unanswered" in held.message

        while posts.may_cancel:
            posts.expect(lambda _: None, lambda _: None)
        frames = venue.stream.messages.spare
        venue.send([Cancel(cloid(1))])
        await until(lambda: at.resting() == {})
        assert frames - venue.stream.messages.spare <= 3, "not by the websocket: pings and books"


async def test_posts_in_flight_are_those_of_all_connections_of_an_address() -> None:
    async with rig() as venue, venue.connect() as one, venue.connect() as other:
        for number in range(60):
            await say(one, number, venue.signed(ALICE, {"type": "noop"}))
        await one.settle()
        for number in range(41):
            await say(other, number, venue.signed(ALICE, {"type": "noop"}))
        assert await other.until("error") == "too many pending post requests id=40"


async def say(client: Client, number: int, envelope: object) -> None:
    request = {"type": "action", "payload": envelope}
    await client.say({"method": "post", "id": number, "request": request})
