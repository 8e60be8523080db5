"""Conclusions from a venue that forgets, lags and pages: its answers are written down here,
because the local exchange does not do these things."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from mm.adapters.hyperliquid.back_fill import AGAIN_MS, FUNDED_MS, HOUR_MS
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.findings import NEVER_PLACED
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import OVERLAP_MS, Inbox
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.reconcile import Reconciler
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import Hooks, VenueSettings
from mm.adapters.hyperliquid.wire import WireFill
from mm.model.actions import Note, Severity
from mm.model.events import (
    Account,
    Event,
    Fill,
    Funding,
    OrderClosed,
    OrderOpened,
    Rejected,
    RequestKind,
)
from mm.model.units import NS_PER_MS, NS_PER_S
from tests.adapters.hyperliquid.stand import ME, WallClock, cloid

Json = dict[str, Any]
ONE = cloid(1)
LONG_AGO, NEVER = 0, 2**62


class Venue:
    """What it lists, remembers and pays out; set by each test."""

    def __init__(self) -> None:
        self.orders: list[Json] = []
        self.statuses: dict[str, Json] = {}
        self.fills: list[Json] = []
        self.fundings: list[Json] = []
        self.asked: list[str] = []
        self.mute = ""
        """A client id whose status it does not tell."""
        self.since: list[int] = []
        """From when on fills were asked for."""
        self.together: asyncio.Barrier | None = None
        """Statuses are told when so many have been asked for."""
        self.meanwhile: dict[str, Callable[[], object]] = {}
        """What happens once, between the answer to such a question and its arrival."""

    def answer(self, body: Json) -> object:
        self.asked.append(body["type"])
        found = self._answer(body)
        self.meanwhile.pop(body["type"], lambda: None)()
        return found

    def _answer(self, body: Json) -> object:
        match body["type"]:
            case "frontendOpenOrders":
                return self.orders
            case "orderStatus":
                if body["oid"] == self.mute:
                    raise web.HTTPBadGateway
                return self.statuses.get(body["oid"], {"status": "unknownOid"})
            case "userFillsByTime":
                self.since.append(body["startTime"])
                rest = [fill for fill in self.fills if fill["time"] >= body["startTime"]]
                return rest[:2000]
            case "userFunding":
                return [row for row in self.fundings if row["time"] >= body["startTime"]]
            case _:
                summary = {"accountValue": "1000.0"}
                position = {"position": {"coin": "BTC", "szi": "0.5"}}
                return {"assetPositions": [position], "marginSummary": summary, "time": 0}

    def knows(self, name: str, oid: int, status: str) -> None:
        found = {"order": order(name, oid), "status": status, "statusTimestamp": 9}
        self.statuses[name] = {"status": "order", "order": found}


def order(name: str, oid: int) -> Json:
    row = {"coin": "BTC", "side": "B", "limitPx": "100.0", "sz": "0.1", "oid": oid}
    return row | {"cloid": name, "reduceOnly": False, "timestamp": 1}


def fill(tid: int, time_ms: int, name: str | None = None) -> Json:
    row = {"coin": "BTC", "px": "100", "sz": "0.1", "side": "B", "time": time_ms, "oid": tid}
    more = {"startPosition": "0", "crossed": False, "fee": "0.1", "tid": tid, "cloid": name}
    return row | more


class Bench:
    def __init__(self, url: str, venue: Venue) -> None:
        self.clock = clock = WallClock()
        self.venue, self.events = venue, list[Event]()
        settings = VenueSettings(network="local", coins=("BTC",), base_url=url)
        self.notes: list[Note] = []
        health = Health(clock, Hooks(note=self.notes.append))
        self.own = OwnOrders("6d6d")
        self.inbox = Inbox(ME.address, "BTC", self.own, health)
        self.inbox.remember((), 1000, 1000)
        self.rest = Rest(url, 3.0, WeightMeter(clock.now))
        self.outlet = Outlet(self.events.append)
        seat = Seat(settings, ME, clock)
        desks = Desks(self.own, Desk("BTC", self.inbox, self.outlet))
        self.reconciler = Reconciler(seat, self.rest, self.own, desks, health)

    def doubt(self, kind: RequestKind, oid: int | None = None, expires: int = LONG_AGO) -> None:
        self.own.doubts[ONE] = Doubt(kind=kind, expires=expires, oid=oid)

    async def resolve(self) -> list[Event]:
        await self.reconciler.resolver.resolve()
        return self.told()

    def told(self) -> list[Event]:
        self.outlet.flush()
        told, self.events[:] = list(self.events), []
        return told


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    venue = Venue()

    async def info(request: web.Request) -> web.Response:
        body = await request.json()
        if venue.together is not None and body["type"] == "orderStatus":
            await venue.together.wait()
        return web.json_response(venue.answer(body))

    app = web.Application()
    app.router.add_post("/info", info)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found = Bench(f"http://127.0.0.1:{runner.addresses[0][1]}", venue)
    try:
        async with found.rest:
            yield found
    finally:
        await runner.cleanup()


async def test_a_forgotten_order_with_a_fill_is_not_taken_for_filled() -> None:
    """It may have been cancelled when a part had filled: no more fills are to be waited for."""
    async with bench() as b:
        b.doubt(RequestKind.PLACE)
        b.venue.fills = [fill(5, 2000, ONE)]
        told = await b.resolve()
        assert [type(event) for event in told] == [Fill, OrderClosed]
        assert isinstance(told[1], OrderClosed)
        assert told[1].reason == "unlisted"


async def test_a_place_unknown_after_its_expiry_was_never_placed() -> None:
    async with bench() as b:
        b.doubt(RequestKind.PLACE, expires=NEVER)
        assert await b.resolve() == [], "it may still arrive"
        b.doubt(RequestKind.PLACE)
        (told,) = await b.resolve()
        assert isinstance(told, Rejected)
        assert told.message == NEVER_PLACED
        assert not b.own.doubts


async def test_a_place_unknown_to_status_but_listed_rests() -> None:
    async with bench() as b:
        b.doubt(RequestKind.PLACE)
        b.venue.orders = [order(ONE, 5)]
        (told,) = await b.resolve()
        assert isinstance(told, OrderOpened)
        assert told.oid == 5


async def test_a_cancel_unknown_after_its_expiry_has_nothing_left_to_cancel() -> None:
    async with bench() as b:
        b.doubt(RequestKind.CANCEL)
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert (told.oid, told.reason) == (None, "unlisted")


async def test_a_cancel_that_did_not_happen_leaves_the_order_open_after_expiry_only() -> None:
    async with bench() as b:
        b.venue.knows(ONE, 5, "open")
        b.doubt(RequestKind.CANCEL, expires=NEVER)
        assert await b.resolve() == []
        b.doubt(RequestKind.CANCEL)
        (told,) = await b.resolve()
        assert isinstance(told, OrderOpened)


async def test_a_modify_is_found_under_its_new_id_by_status_or_listing() -> None:
    async with bench() as b:
        b.own.opened(ONE, 5, 0, 0)
        b.venue.knows(ONE, 6, "open")
        b.doubt(RequestKind.MODIFY, oid=5, expires=NEVER)
        (told,) = await b.resolve()
        assert isinstance(told, OrderOpened)
        assert told.oid == 6
        b.venue.knows(ONE, 6, "canceled")  # the venue answers with the old half
        b.venue.orders = [order(ONE, 7)]
        b.doubt(RequestKind.MODIFY, oid=6, expires=NEVER)
        (told,) = await b.resolve()
        assert isinstance(told, OrderOpened)
        assert told.oid == 7


async def test_a_modify_whose_new_order_filled_ends_under_the_new_id() -> None:
    async with bench() as b:
        b.own.opened(ONE, 5, 0, 0)
        b.venue.knows(ONE, 6, "filled")
        b.doubt(RequestKind.MODIFY, oid=5)
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert (told.oid, told.reason) == (6, "filled")
        assert b.own.open == {}


async def test_a_modify_of_what_was_filled_meanwhile_ends_whatever_its_id() -> None:
    async with bench() as b:
        b.own.opened(ONE, 5, 0, 0)
        b.own.closed(ONE, 5, "filled", 0, 0)
        b.venue.knows(ONE, 5, "filled")
        b.doubt(RequestKind.MODIFY, oid=5)
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert (told.oid, told.reason) == (None, "filled")
        assert "frontendOpenOrders" not in b.venue.asked, "what filled was not replaced"


async def test_a_modify_whose_new_order_was_refused_ends_whatever_its_id() -> None:
    async with bench() as b:
        b.venue.knows(ONE, 6, "badAloPxRejected")
        b.doubt(RequestKind.MODIFY, oid=5)
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert told.oid is None
        assert not b.own.doubts


async def test_many_doubts_cost_one_listing_and_no_question_each() -> None:
    async with bench() as b:
        names = [cloid(number) for number in range(40)]
        b.venue.orders = [order(name, 100 + at) for at, name in enumerate(names)]
        for name in names:
            b.own.doubts[name] = Doubt(kind=RequestKind.PLACE, expires=NEVER)
        assert len(await b.resolve()) == 40
        assert b.venue.asked == ["frontendOpenOrders"]


async def test_however_many_the_venue_does_not_know_one_listing_and_one_page_of_fills_tell() -> (
    None
):
    """Each weighs ten times as much as the question for one order's status."""
    async with bench() as b:
        names = [cloid(number) for number in range(5)]
        for name in names:
            b.own.doubts[name] = Doubt(kind=RequestKind.PLACE, expires=LONG_AGO)
        b.venue.knows(names[1], 7, "open")
        b.venue.orders = [order(names[2], 8)]
        b.venue.fills = [fill(9, 2000, names[3])]

        told = await b.resolve()

        assert b.venue.asked == [*["orderStatus"] * 5, "frontendOpenOrders", "userFillsByTime"]
        opened = {event.cloid for event in told if isinstance(event, OrderOpened)}
        assert opened == {names[1], names[2]}
        assert [event.cloid for event in told if isinstance(event, OrderClosed)] == [names[3]]
        assert {e.cloid for e in told if isinstance(e, Rejected)} == {names[0], names[4]}
        assert not b.own.doubts


async def test_of_many_that_have_expired_one_listing_and_the_fills_tell_without_any_status() -> (
    None
):
    """A question each took longer than connections stood, so hundreds stayed in doubt."""
    async with bench() as b:
        names = [cloid(number) for number in range(40)]
        kinds = [RequestKind.PLACE, RequestKind.CANCEL, RequestKind.MODIFY]
        for at, name in enumerate(names):
            oid = 100 + at if kinds[at % 3] is RequestKind.MODIFY else None
            b.own.doubts[name] = Doubt(kind=kinds[at % 3], expires=LONG_AGO, oid=oid)
        b.venue.orders = [order(name, 100 + at) for at, name in enumerate(names[:20])]
        b.venue.fills = [fill(9, 2000, names[30])]

        told = await b.resolve()

        assert b.venue.asked == ["frontendOpenOrders", "userFillsByTime"]
        opened = [event.cloid for event in told if isinstance(event, OrderOpened)]
        assert sorted(opened) == names[:20]
        refused = {event.cloid for event in told if isinstance(event, Rejected)}
        assert refused == {name for name in names[20::] if names.index(name) % 3 == 0} - {names[30]}
        closed = {event.cloid for event in told if isinstance(event, OrderClosed)}
        assert closed == set(names[20:]) - refused
        assert not b.own.doubts


async def test_where_weight_is_short_only_what_has_expired_is_asked_after() -> None:
    """A new connection needs what is left."""
    async with bench() as b:
        for name, expires in ((cloid(1), LONG_AGO), (cloid(2), NEVER)):
            b.own.doubts[name] = Doubt(kind=RequestKind.CANCEL, expires=expires)
            b.venue.knows(name, 5, "canceled")
        b.rest.meter.spend(b.rest.meter.limit * 4 // 5)

        await b.resolve()

        assert list(b.own.doubts) == [cloid(2)]
        b.clock._ahead = 61 * NS_PER_S
        await b.resolve()
        assert not b.own.doubts


async def test_what_was_learned_before_the_venue_fell_silent_counts() -> None:
    async with bench() as b:
        first, second = cloid(1), cloid(2)
        for name in (first, second):
            b.own.doubts[name] = Doubt(kind=RequestKind.MODIFY, expires=NEVER, oid=5)
        b.venue.knows(first, 5, "filled")
        b.venue.fills = [fill(9, 2000, first)]
        b.venue.mute = second

        with pytest.raises(RestError):
            await b.reconciler.resolver.resolve()

        assert [type(event) for event in b.told()] == [Fill, OrderClosed]
        assert list(b.own.doubts) == [second]


async def test_an_unknown_status_is_asked_for() -> None:
    async with bench() as b:
        b.own.opened(ONE, 5, 0, 0)
        b.own.queries.add(ONE)
        b.venue.knows(ONE, 5, "delistedCanceled")
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert told.reason == "delistedCanceled"
        b.own.queries.add(cloid(2))
        assert await b.resolve() == []


@pytest.mark.parametrize("rests", [True, False])
async def test_of_a_status_that_nobody_knows_the_listing_says_whether_it_rests(rests: bool) -> None:
    """Asked for by its words alone it was asked for again, without end and without a pause."""
    async with bench() as b:
        b.own.belongs(ONE, "BTC")
        b.own.opened(ONE, 5, 0, 0)
        b.own.queries.add(ONE)
        b.venue.knows(ONE, 5, "somehowSettled")
        b.venue.orders = [order(ONE, 5)] if rests else []
        told = [event.reason for event in await b.resolve() if isinstance(event, OrderClosed)]
        assert told == ([] if rests else ["somehowSettled, canceled"])
        assert (ONE in b.own.open, b.own.queries) == (rests, set())


async def test_what_is_asked_for_and_forgotten_is_what_the_listing_says() -> None:
    async with bench() as b:
        b.own.belongs(ONE, "BTC")
        b.own.opened(ONE, 5, 0, 0)
        b.own.queries.add(ONE)
        b.venue.orders = [order(ONE, 5)]
        assert await b.resolve() == []
        b.own.queries.add(ONE)
        b.venue.orders = []
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert b.own.open == {}


async def test_an_audit_ends_what_is_known_only_by_its_refused_replacement() -> None:
    """Each audit found it missing again, and was called one that had something to put right."""
    async with bench() as b:
        b.own.belongs(ONE, "BTC")
        b.own.opened(ONE, 5, 0, 0)
        b.venue.knows(ONE, 6, "badAloPxRejected")
        await b.reconciler.audit()
        assert isinstance(b.told()[0], OrderClosed)
        assert b.own.open == {}


async def test_a_doubt_about_what_ended_in_a_way_that_nobody_knows_ends() -> None:
    async with bench() as b:
        b.own.belongs(ONE, "BTC")
        b.own.opened(ONE, 5, 0, 0)
        b.doubt(RequestKind.CANCEL)
        b.venue.knows(ONE, 5, "somehowSettled")
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert (b.own.open, b.own.doubts) == ({}, {})


async def test_an_audit_ends_what_is_not_listed_and_opens_what_is() -> None:
    async with bench() as b:
        for number, oid in ((1, 11), (2, 12), (3, 13)):
            b.own.opened(cloid(number), oid, 0, 0)
        b.venue.knows(cloid(1), 11, "scheduledCancel")
        b.venue.orders = [order(cloid(4), 14), order("0x" + "f" * 32, 15), order(cloid(3), 23)]
        await b.reconciler.audit()
        told = b.told()
        ended = {event.cloid: event.reason for event in told if isinstance(event, OrderClosed)}
        assert ended == {cloid(1): "scheduledCancel", cloid(2): "unlisted"}
        opened = {event.cloid: event.oid for event in told if isinstance(event, OrderOpened)}
        assert opened == {cloid(4): 14, cloid(3): 23}
        account = told[-1]
        assert isinstance(account, Account)
        assert [one.oid for one in account.orders or ()] == [14, 23]
        assert (account.position, account.equity) == (Decimal("0.5"), Decimal(1000))
        assert b.reconciler.ask.foreign_open == 1


async def test_an_audit_says_how_much_no_stream_had_told_in_time() -> None:
    """Late fills, ends and orders of ours: a stream is deaf. What is new is on its way."""
    async with bench() as b:
        now_ms = WallClock().now() // 1_000_000
        b.venue.fills = [fill(1, now_ms - 9_000), fill(2, now_ms - 8_000), fill(3, now_ms - 100)]
        b.own.belongs(ONE, "BTC")
        b.own.opened(ONE, 11, 0, 0)
        b.venue.knows(ONE, 11, "canceled")
        b.venue.orders = [order(cloid(4), 14)]
        counts = []
        for _ in range(2):
            await b.reconciler.audit()
            account = b.told()[-1]
            assert isinstance(account, Account)
            counts.append(account.repaired)
        assert counts == [4, 0]
        (note,) = b.notes
        assert (note.text, note.severity) == (
            "Audit: put right what no stream had told",
            Severity.WARNING,
        )


async def test_after_a_gap_what_was_missed_is_nobodys_fault() -> None:
    async with bench() as b:
        b.venue.fills = [fill(1, 2_000)]
        await b.reconciler.confirm(await b.reconciler.catch_up())
        fill_told, account = b.told()
        assert isinstance(fill_told, Fill)
        assert isinstance(account, Account)
        assert account.repaired == 0
        assert b.notes == []


async def test_after_a_gap_a_listing_and_then_the_fills_end_what_is_gone_without_any_status() -> (
    None
):
    """A question for each took longer than connections stood. The account may wait."""
    async with bench() as b:
        for number in range(1, 15):
            b.own.opened(cloid(number), 10 + number, 0, 0)
        b.venue.orders = [order(cloid(1), 11)]
        b.venue.fills = [fill(9, 2_000, cloid(2))]

        caught = await b.reconciler.catch_up()

        assert b.venue.asked == ["frontendOpenOrders", "userFillsByTime"]
        told = b.told()
        assert isinstance(told[0], Fill), "what was traded is known before what is gone"
        closed = [event.cloid for event in told if isinstance(event, OrderClosed)]
        assert sorted(closed) == [cloid(number) for number in range(2, 15)]
        assert list(b.own.open) == [cloid(1)]
        await b.reconciler.confirm(caught)
        (account,) = b.told()
        assert isinstance(account, Account)
        assert [row.cloid for row in account.orders or ()] == [cloid(1)]


@pytest.mark.parametrize("kind", [RequestKind.CANCEL, RequestKind.MODIFY])
async def test_after_a_gap_nothing_under_way_brings_back_what_is_gone(kind: RequestKind) -> None:
    """So the doubt need not wait until the request has expired."""
    async with bench() as b:
        b.own.opened(ONE, 5, 0, 0)
        b.doubt(kind, oid=5, expires=NEVER)
        await b.reconciler.catch_up()
        (told,) = b.told()
        assert isinstance(told, OrderClosed)
        assert (b.own.open, b.own.doubts) == ({}, {})


async def test_after_a_gap_what_may_still_be_executed_stays_in_doubt() -> None:
    """A placing that is not listed yet; a change of what is; a cancel of what may not be there."""
    async with bench() as b:
        kinds = (RequestKind.PLACE, RequestKind.MODIFY, RequestKind.CANCEL)
        for number, kind in enumerate(kinds):
            b.own.doubts[cloid(number)] = Doubt(kind=kind, expires=NEVER, oid=5)
        b.own.opened(cloid(1), 5, 0, 0)
        b.venue.orders = [order(cloid(1), 5)]
        await b.reconciler.catch_up()
        assert b.told() == []
        assert len(b.own.doubts) == 3


async def test_the_status_of_several_is_asked_for_at_once() -> None:
    """One after another each took a round trip."""
    async with bench() as b:
        for number in range(5):
            b.own.doubts[cloid(number)] = Doubt(kind=RequestKind.PLACE, expires=NEVER)
        b.venue.together = asyncio.Barrier(5)
        async with asyncio.timeout(60):
            await b.resolve()
        assert b.venue.asked == ["orderStatus"] * 5


async def test_an_audit_does_not_revive_what_closed_while_it_was_asking() -> None:
    async with bench() as b:
        b.own.opened(ONE, 11, 0, 0)
        b.venue.orders = [order(ONE, 11)]
        b.venue.meanwhile["frontendOpenOrders"] = lambda: b.own.closed(ONE, 11, "filled", 0, 0)
        await b.reconciler.audit()
        account = b.told()[-1]
        assert isinstance(account, Account)
        assert account.orders == ()
        assert b.own.open == {}


async def test_what_was_asked_for_before_a_later_audit_began_revives_nothing() -> None:
    """Streams told nothing while the link was down: what rested then may have ended since."""
    async with bench() as b:
        b.venue.knows(ONE, 11, "open")
        b.venue.orders = [order(ONE, 11)]
        later: list[asyncio.Task[None]] = []

        def overtaken() -> None:
            b.venue.orders = []
            later.append(asyncio.create_task(b.reconciler.audit()))

        b.venue.meanwhile["frontendOpenOrders"] = overtaken
        await b.reconciler.audit()
        await later[0]
        (account,) = b.told()
        assert isinstance(account, Account)
        assert (account.orders, b.own.open) == ((), {})


async def test_a_silent_stream_that_speaks_again_hides_no_fill_of_before() -> None:
    async with bench() as b:
        b.venue.fills = [fill(1, 2_000)]
        spoken = msgspec.convert(fill(2, 2_000 + 2 * OVERLAP_MS), WireFill, strict=False)
        list(b.inbox.fills([spoken], 0))
        await b.reconciler.missed.fills()
        assert [event.trade_id for event in b.told() if isinstance(event, Fill)] == [1]


async def test_a_back_fill_goes_back_a_minute_once_and_then_no_further_than_an_answer_takes() -> (
    None
):
    """Of a busy market a minute's rows weighed more than the question, at each reconnection."""
    async with bench() as b:
        known_ms = b.inbox.known_ms
        b.venue.fills = [fill(1, known_ms + 90_000)]
        for _ in range(2):
            await b.reconciler.missed.fills()
        assert b.venue.since == [max(0, known_ms - OVERLAP_MS), known_ms + 90_000 - AGAIN_MS]
        assert len(b.told()) == 1


async def test_an_exit_that_trades_while_fills_are_asked_for_is_asked_after_again() -> None:
    async with bench() as b:
        b.own.traded = True

        def trades() -> None:
            b.own.traded = True

        b.venue.meanwhile["userFillsByTime"] = trades
        await b.reconciler.missed.recover()
        assert b.own.traded
        await b.reconciler.missed.recover()
        assert not b.own.traded


async def test_a_doubt_that_ends_with_its_order_ends_it() -> None:
    """Still under its old id at the venue, so never modified, and cancelled a moment later."""
    async with bench() as b:
        b.own.opened(ONE, 11, 0, 0)
        b.doubt(RequestKind.MODIFY, 11)
        b.venue.knows(ONE, 11, "open")
        b.venue.meanwhile["orderStatus"] = lambda: b.own.closed(ONE, 11, "canceled", 0, 0)
        (told,) = await b.resolve()
        assert isinstance(told, OrderClosed)
        assert (told.oid, b.own.doubts) == (None, {})


async def test_a_print_heard_after_fills_were_listed_is_not_among_them() -> None:
    """What an audit says of prints holds as of its first question, which is that for fills."""
    async with bench() as b:
        heard: list[int] = []
        b.venue.meanwhile["userFillsByTime"] = lambda: heard.append(b.clock.now())
        await b.reconciler.audit()
        (account,) = b.told()
        assert isinstance(account, Account)
        assert account.request_ts < heard[0]


async def test_the_venues_clock_is_known_as_of_the_question_that_it_answered() -> None:
    """Not as of the audit's first: on a slow wire that was seconds ago."""
    async with bench() as b:
        heard: list[int] = []
        for question in ("userFillsByTime", "frontendOpenOrders", "clearinghouseState"):
            b.venue.meanwhile[question] = lambda: heard.append(b.clock.now())
        await b.reconciler.audit()
        (account,) = b.told()
        assert isinstance(account, Account)
        _, listed, answered = heard
        assert listed < account.asked_ts < answered


async def test_more_fills_than_a_page_are_all_fetched() -> None:
    async with bench() as b:
        b.venue.fills = [fill(number, 1001 + number // 3) for number in range(4500)]
        await b.reconciler.missed.fills()
        told = b.told()
        assert len({event.trade_id for event in told if isinstance(event, Fill)}) == 4500
        assert len(told) == 4500
        assert b.venue.asked.count("userFillsByTime") <= 4


async def test_a_funding_that_the_stream_kept_to_itself_is_found_after_the_hour() -> None:
    """On a silent stream cash was wrong until the link next broke."""
    async with bench() as b:
        await b.reconciler.audit()
        assert "userFunding" not in b.venue.asked, "the stream begins with a snapshot"
        b.told()
        delta = {"type": "funding", "coin": "BTC", "usdc": "-2.5", "szi": "1", "fundingRate": "0.1"}
        hour = b.clock.now() // NS_PER_MS // HOUR_MS + 1
        b.venue.fundings = [{"time": hour * HOUR_MS, "hash": "0x0", "delta": delta}]

        b.clock._ahead = HOUR_MS * NS_PER_MS + FUNDED_MS * NS_PER_MS
        await b.reconciler.audit()
        (found,) = [event for event in b.told() if isinstance(event, Funding)]
        assert (found.amount, found.venue_ts) == (Decimal("-2.5"), hour * HOUR_MS * NS_PER_MS)

        await b.reconciler.audit()
        assert b.venue.asked.count("userFunding") == 1, "once an hour"


async def test_a_new_connection_is_served_of_weight_that_other_questions_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing can be quoted until it has been: it waited for up to forty seconds."""
    async with bench() as b:

        async def waits(weight: int) -> None:
            raise AssertionError(f"{weight} waits")

        monkeypatch.setattr(b.rest, "room", waits)
        b.rest.meter.spend(b.rest.meter.limit * 7 // 8)
        await b.reconciler.catch_up()
        assert b.venue.asked == ["frontendOpenOrders", "userFillsByTime"]
        with pytest.raises(AssertionError, match="20 waits"):
            await b.reconciler.audit()
        b.rest.meter.spend(b.rest.meter.limit // 12)
        with pytest.raises(AssertionError, match="20 waits"):
            await b.reconciler.catch_up()


async def test_nothing_is_asked_beside_the_audit_of_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It asks the same, of the same weight."""
    async with bench() as b:
        resolver, passes = b.reconciler.resolver, asyncio.Queue[None]()

        async def once() -> None:
            passes.put_nowait(None)

        monkeypatch.setattr(resolver, "resolve", once)
        b.doubt(RequestKind.PLACE, expires=NEVER)
        resolver.catching_up = True
        doubtful = asyncio.Event()
        doubtful.set()
        running = asyncio.create_task(resolver.run(doubtful))
        for _ in range(10):
            await asyncio.sleep(0)
        assert passes.empty()
        resolver.catching_up = False
        resolver.hurry.set()
        await asyncio.wait_for(passes.get(), 60)
        running.cancel()
