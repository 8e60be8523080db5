"""The first questions, and the one clear line where they cannot be answered as wished."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.bootstrap import clock_skew
from mm.adapters.hyperliquid.own import Doubt
from mm.adapters.hyperliquid.rest import RestError
from mm.adapters.hyperliquid.server import Faults, Limits
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueError, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.hyperliquid.wire import OrderCore
from mm.app.ports import Venue
from mm.model.actions import CancelAll
from mm.model.custody import CreateSubAccount
from mm.model.events import (
    Book,
    Fill,
    Funding,
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
)
from mm.model.units import NS_PER_S, Side
from mm.sim.exchange import ExchangeOptions
from tests.adapters.hyperliquid.proxy import proxy
from tests.adapters.hyperliquid.stand import (
    ME,
    OTHER,
    PREFIX,
    Probe,
    Stand,
    WallClock,
    bid,
    cloid,
    live,
    running,
    stand,
    until,
)

AGENT = Signer("0x" + "22" * 32)
STRANGER, OTHERS = Signer("0x" + "44" * 32), Signer("0x" + "55" * 32)
VAULT = "0x" + "d" * 40


async def test_bootstrap_reads_instrument_account_fees_and_budget() -> None:
    async with stand() as at:
        at.place(ME.address, Side.BID, "99950", "0.01", "0x" + "f" * 32)
        await until(lambda: len(at.resting()) == 1)
        boot = await at.venue(Probe()).bootstrap()
        assert (boot.instrument.name, boot.instrument.asset) == ("BTC", 0)
        assert (boot.instrument.size_decimals, boot.instrument.price_decimals) == (5, 1)
        assert (boot.maker_bps, boot.taker_bps) == (1.5, 4.5)
        assert (boot.position, boot.equity) == (Decimal(0), Decimal(100_000))
        assert (boot.actions_used, boot.actions_cap) == (1, 10_000)
        assert abs(boot.skew_ms) < 1000


@pytest.mark.parametrize(
    ("trips", "skew_ms"),
    [
        (((20, 20),), 7_000),
        (((0, 2600), (30, 50)), 6_990),
        (((2600, 0), (100, 0)), 7_050),
        (((900, 0), (900, 300), (0, 600), (500, 500), (800, 0), (0, 0)), 6_700),
    ],
    ids=["quick", "held up coming back", "held up going", "never quick"],
)
async def test_the_quickest_answer_tells_the_clocks_apart(
    trips: tuple[tuple[int, int], ...], skew_ms: int
) -> None:
    """Ours is 7 s behind; an answer takes so many ms there and back."""
    ours_ms, coming = 1_000, iter(trips)

    async def ask() -> int:
        nonlocal ours_ms
        there, back = next(coming)
        ours_ms += there + back
        return ours_ms - back + 7_000

    assert await clock_skew(ask, lambda: ours_ms) == skew_ms


@pytest.mark.parametrize("coin", ["BTCC", "btc", "XBTC"])
async def test_an_unknown_coin_names_the_nearest(coin: str) -> None:
    async with stand() as at:
        with pytest.raises(VenueError, match=rf"unknown coin '{coin}'.*did you mean 'BTC'\?"):
            await at.venue(Probe(), coins=(coin,)).bootstrap()


async def test_a_coin_like_no_other_names_none() -> None:
    async with stand() as at:
        with pytest.raises(VenueError, match=r"unknown coin 'QQQ' on local \(1 listed\)$"):
            await at.venue(Probe(), coins=("QQQ",)).bootstrap()


async def test_an_unreachable_host_is_one_line_with_the_fix() -> None:
    async with stand() as at, proxy(at.server.port) as network:
        url = network.url
    with pytest.raises(VenueError, match=r"cannot be reached.*check venue\.network") as caught:
        await at.venue(Probe(), base_url=url).bootstrap()
    assert "\n" not in str(caught.value)
    with pytest.raises(VenueError, match="cannot be reached"):
        await at.venue(Probe(), base_url=url).cancel_all()


async def test_a_local_network_needs_an_address() -> None:
    settings = VenueSettings(network="local", coins=("BTC",))
    with pytest.raises(VenueError, match=r"venue\.base_url"):
        HyperliquidVenue(settings, ME, WallClock(), Probe().emit, PREFIX)


async def test_an_api_wallets_own_address_is_no_account() -> None:
    async with stand() as at:
        at.exchange.register_agent(ME.address, AGENT.address)
        venue = HyperliquidVenue(at.settings(), AGENT, at.clock, Probe().emit, PREFIX, NO_HOOKS)
        with pytest.raises(VenueError, match=r"is an API wallet: set venue\.account_address"):
            await venue.bootstrap()


async def test_an_api_wallet_trades_for_its_master() -> None:
    async with stand() as at:
        at.exchange.register_agent(ME.address, AGENT.address)
        probe = Probe()
        settings = at.settings(account_address=ME.address.upper().replace("0X", "0x"))
        venue = HyperliquidVenue(settings, AGENT, at.clock, probe.emit, PREFIX)
        async with running(venue):
            await probe.up()
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
            at.take(Side.ASK, "99995", "0.01")
            await probe.first(Fill)


async def test_a_key_that_is_nobodys_api_wallet() -> None:
    async with stand() as at:
        settings = at.settings(account_address=ME.address)
        venue = HyperliquidVenue(settings, AGENT, at.clock, Probe().emit, PREFIX)
        with pytest.raises(VenueError, match=r"is no API wallet of 0x.*venue\.account_address"):
            await venue.bootstrap()


async def sub_account(at: Stand) -> str:
    """One of ours, with money."""
    at.act(ME.address, CreateSubAccount("desk"))
    await until(lambda: at.exchange.sub_accounts(ME.address))
    (made,) = at.exchange.sub_accounts(ME.address)
    at.exchange.deposit(made.address, Decimal(5_000))
    return made.address


async def test_a_start_lists_open_orders_once_and_with_an_api_wallet_weighs_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a quarter of the request weight three coins waited for a minute."""
    async with stand() as at:
        at.exchange.register_agent(ME.address, AGENT.address)
        left = []
        for key in (ME, AGENT):
            probe = Probe()
            settings = at.settings(account_address=ME.address, full_book_poll_s=60.0)
            venue = HyperliquidVenue(settings, key, at.clock, probe.emit, PREFIX)
            asked = list[str]()
            count = counted(asked, venue._rest.open_orders)
            monkeypatch.setattr(venue._rest, "open_orders", count)
            async with running(venue):
                await probe.up()
                left.append(venue.meter.spare)
            assert asked == [ME.address.lower()]
        assert left[0] == left[1] >= 1200 - 210


def counted(
    asked: list[str], listing: Callable[..., Awaitable[answers.Orders]]
) -> Callable[..., Awaitable[answers.Orders]]:
    async def count(user: str, dex: str = "", *, urgent: bool = False) -> answers.Orders:
        asked.append(user)
        return await listing(user, dex, urgent=urgent)

    return count


@pytest.mark.parametrize("key", [ME, AGENT], ids=["owner", "wallet"])
async def test_a_sub_account_is_traded_by_its_owners_keys(key: Signer) -> None:
    async with stand() as at:
        at.exchange.register_agent(ME.address, AGENT.address)
        sub = await sub_account(at)
        probe = Probe()
        settings = at.settings(account_address=sub, vault=sub)
        venue = HyperliquidVenue(settings, key, at.clock, probe.emit, PREFIX)
        async with running(venue):
            await probe.up()
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
            assert list(at.resting(sub)) == [cloid(1)]
            assert at.resting() == {}
            at.take(Side.ASK, "99995", "0.01")
            await probe.first(Fill)


@pytest.mark.parametrize(
    ("key", "changes", "words"),
    [
        (AGENT, {"account_address": "sub"}, r"it is a sub-account: set venue\.vault to 0x"),
        (AGENT, {"vault": "sub"}, r"orders would be for venue\.vault 0x.*account_address"),
        (STRANGER, {"account_address": "sub", "vault": "sub"}, r"no API wallet of 0x.*who owns"),
        (OTHERS, {"account_address": "sub", "vault": "sub"}, r"acts for 0x.*belongs to 0x"),
    ],
    ids=["only the account", "only the vault", "a stranger's key", "another's wallet"],
)
async def test_half_a_sub_account_is_refused_before_it_costs(
    key: Signer, changes: dict[str, str], words: str
) -> None:
    """Orders for one account and books of another would be traded blind."""
    async with stand() as at:
        at.exchange.register_agent(ME.address, AGENT.address)
        at.exchange.register_agent(OTHER, OTHERS.address)
        named = dict.fromkeys(changes, await sub_account(at))
        venue = HyperliquidVenue(at.settings(**named), key, at.clock, Probe().emit, PREFIX)
        with pytest.raises(VenueError, match=words):
            await venue.bootstrap()


async def test_a_wrong_key_is_refused_as_such() -> None:
    async with stand() as at, live(at) as (venue, probe):
        await venue.bootstrap()
        at.exchange.register_vault(OTHER, VAULT)
        at.exchange.deposit(VAULT, Decimal(1_000))
        stranger = HyperliquidVenue(
            at.settings(account_address=VAULT, vault=VAULT),
            Signer("0x" + "33" * 32),
            at.clock,
            probe.emit,
            PREFIX,
        )
        async with running(stranger):
            await probe.up(times=2)
            stranger.send([bid(1)])
            refused = await probe.first(Rejected)
            assert refused.code in (RejectCode.AUTH, RejectCode.OTHER)
            assert at.resting() == {}


async def test_cancel_all_after_run_has_ended() -> None:
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1), bid(2, "99970")])
            await probe.until(lambda: len(at.resting()) == 2)
        assert len(at.resting()) == 2
        assert await venue.cancel_all() == 0
        assert at.resting() == {}


async def test_what_the_venue_says_it_cancelled_is_not_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a slow wire the second look took what was left of the five seconds, and orders that had
    been cancelled were said to rest."""
    async with stand() as at:
        for number in (1, 2):
            at.place(ME.address, Side.BID, "99960", "0.01", cloid(number, run=7))
        await until(lambda: len(at.resting()) == 2)
        venue = at.venue(Probe(), cancel_all_s=0.5)
        await venue.bootstrap()
        looks, listing = list[str](), venue._rest.open_orders

        async def once(user: str, dex: str = "", *, urgent: bool = False) -> list[OrderCore]:
            looks.append(user)
            if len(looks) > 1:
                raise RestError("too slow")
            return await listing(user, dex, urgent=urgent)

        monkeypatch.setattr(venue._rest, "open_orders", once)
        assert await venue.cancel_all() == 0
        assert len(looks) == 1
        assert at.resting() == {}


async def test_cancel_all_waits_for_what_is_in_flight() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        await asyncio.sleep(0)  # the sender's turn: the order is on its way, unanswered
        assert await venue.cancel_all() == 0
        await probe.until(lambda: probe.of(OrderOpened) or probe.of(Rejected))
        assert at.resting() == {}


async def test_what_comes_to_rest_beside_the_last_look_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its acceptance overtook the list, which was of before: it rested until the halted engine had
    all cancelled again, ten seconds later."""
    async with stand() as at, live(at) as (venue, probe):
        listing = venue._rest.open_orders

        async def of_before(user: str, dex: str = "", *, urgent: bool = False) -> list[OrderCore]:
            listed = await listing(user, dex, urgent=urgent)
            late = not probe.of(OrderOpened)
            await probe.until(lambda: venue.own.open or probe.of(OrderClosed))
            return [] if late else listed

        monkeypatch.setattr(venue._rest, "open_orders", of_before)
        venue.send([bid(1)])
        await asyncio.sleep(0)  # the sender's turn: the order is on its way, unanswered
        assert await venue.cancel_all(frozenset({"BTC"})) == 0
        assert at.resting() == {}


async def test_the_last_fills_are_told_though_the_minutes_weight_is_spent() -> None:
    """They were left to the next start: the ledger of a stopped daemon lacked them."""
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.01")
        await until(lambda: not at.resting())
        venue.meter.spend(venue.meter.spare - 100)

        assert await venue.cancel_all() == 0

        assert [fill.cloid for fill in probe.of(Fill)] == [cloid(1)]


async def test_the_last_request_weight_goes_to_cancels_before_questions() -> None:
    """The question what rests took it, and an order rested for long after a halt."""
    limits = Limits(weight_per_min=1_200)
    async with stand(limits=limits) as at:
        async with live(at, cancel_all_s=0.3) as (venue, probe):
            venue.send([bid(1), bid(2, "99970")])
            await probe.until(lambda: len(at.resting()) == 2 and len(venue.own.open) == 2)
        (caller,) = at.server._callers.values()
        caller.weight.spend(at.clock.now(), limits.weight_per_min - caller.weight._used - 1)

        with pytest.raises(VenueError, match="cannot verify that no order rests"):
            await venue.cancel_all()

        assert at.resting() == {}


async def test_what_a_sweep_had_to_leave_is_cancelled_as_soon_as_the_venue_takes_it() -> None:
    """A halted engine asks for another sweep only after ten seconds."""
    async with stand() as at, live(at, cancel_all_s=0.3) as (venue, probe):
        venue.send([bid(1), bid(2, "99970")])
        await probe.until(lambda: len(at.resting()) == 2 and len(venue.own.open) == 2)
        at.server.mischief.faults = Faults(too_many=1.0)
        venue.send([CancelAll("test")])
        await probe.until(lambda: any(one.text == "cancel all failed" for one in probe.notes))
        assert len(at.resting()) == 2

        at.server.mischief.faults = Faults()

        await until(lambda: not at.resting())
        await probe.until(lambda: not venue.own.open)


async def test_a_sweep_that_is_refused_does_not_spend_the_weight_on_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a crash loop the starting daemon looked ten times in four seconds, was refused, and had
    to wait for weight of its own when the venue was ready."""
    async with stand() as at, live(at, cancel_all_s=0.8) as (venue, _):
        at.server.mischief.faults = Faults(too_many=1.0)
        before = venue.meter.spare

        with pytest.raises(VenueError, match="cannot verify that no order rests: HTTP 429"):
            await venue.cancel_all()

        monkeypatch.setattr(venue.meter, "_refused", None)
        assert before - venue.meter.spare < 4 * 20


async def test_cancel_all_says_so_where_it_cannot_know() -> None:
    async with stand() as at, proxy(at.server.port) as network:
        venue = at.venue(Probe(), base_url=network.url, cancel_all_s=0.3, request_timeout_s=0.2)
        await venue.bootstrap()
        network.swallow = True
        with pytest.raises(VenueError, match="cannot verify that no order rests"):
            await venue.cancel_all()


@pytest.mark.parametrize("spent", [False, True])
async def test_the_dead_man_is_armed_refreshed_and_cleared(*, spent: bool) -> None:
    """Where no question may be asked any more, too: the last fills are asked for beside it."""
    async with stand() as at, live(at, dead_man_s=6.0) as (venue, probe):
        await probe.until(lambda: venue.dead_man.armed)
        if spent:
            venue.meter.refused()
        assert await venue.cancel_all() == 0
        assert not venue.dead_man.armed


async def test_a_halt_leaves_the_dead_man_set() -> None:
    """It was cleared, and what was quoted after a resume rested for up to 20 s without one."""
    async with stand() as at, live(at, dead_man_s=6.0) as (venue, probe):
        await probe.until(lambda: venue.dead_man.armed)
        assert await venue.cancel_all(frozenset({"BTC"})) == 0
        assert venue.dead_man.armed


async def test_the_dead_man_is_pushed_back_however_little_request_weight_is_left() -> None:
    async with stand() as at, live(at, dead_man_s=6.0) as (venue, probe):
        await probe.until(lambda: venue.dead_man.armed)
        venue.meter.spend(venue.meter.limit)
        venue.dead_man.armed = False
        await probe.until(lambda: venue.dead_man.armed)


async def test_the_dead_man_stays_away_from_foreign_orders() -> None:
    async with stand() as at:
        at.place(ME.address, Side.BID, "99950", "0.01", "0x" + "f" * 32)
        await until(lambda: len(at.resting()) == 1)
        async with live(at, dead_man_s=6.0, audit_s=1.0) as (venue, probe):
            await probe.until(lambda: venue.health.last_frame.get("book"))
            assert not venue.dead_man.armed
            at.cancel(ME.address, "0x" + "f" * 32)
            await probe.until(lambda: venue.dead_man.armed)


async def test_the_dead_man_cancels_what_a_dead_client_left() -> None:
    async with stand() as at:
        async with live(at, dead_man_s=5.5) as (venue, probe):
            await probe.up()
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
            await probe.until(lambda: venue.dead_man.armed)
        assert len(at.resting()) == 1
        await until(lambda: not at.resting())
        ((_, status, _),) = at.exchange.historical_orders(ME.address)
        assert status == "scheduledCancel"


async def test_a_refused_dead_man_is_noted_once() -> None:
    rules = ExchangeOptions(block_ms=20, schedule_cancel_volume=Decimal(1_000_000))
    async with stand(rules=rules) as at, live(at, dead_man_s=0.3) as (venue, probe):
        await probe.until(lambda: venue.dead_man.refused)
        await probe.until(lambda: len(probe.of(Book)) > 5)
        assert [note.text for note in probe.notes] == ["no dead-man switch for this account"]
        assert not venue.dead_man.armed


async def canned(answer: Callable[[str], object]) -> tuple[web.AppRunner, str]:
    """A venue of canned answers, by question type."""

    async def info(request: web.Request) -> web.Response:
        return web.json_response(answer((await request.json())["type"]))

    app = web.Application()
    app.router.add_post("/info", info)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(
    ("universe", "words"),
    [
        ([{"name": "BTC", "szDecimals": 5, "isDelisted": True}], "is delisted"),
        ([{"name": "BTC"}], "szDecimals"),
    ],
)
async def test_a_venue_with_strange_meta(universe: list[object], words: str) -> None:
    runner, url = await canned(lambda _: {"universe": universe})
    settings = VenueSettings(network="local", coins=("BTC",), base_url=url)
    venue = HyperliquidVenue(settings, ME, WallClock(), Probe().emit, PREFIX)
    try:
        with pytest.raises(VenueError, match=words):
            await venue.bootstrap()
    finally:
        await runner.cleanup()


async def test_a_spent_request_weight_is_told_and_outlived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mm.adapters.hyperliquid.bootstrap.PAUSES_S", (0.01, 0.02))
    async with stand(limits=Limits(weight_per_min=500)) as at:
        venue = at.venue(probe := Probe(), audit_s=0.05)
        async with running(venue):
            await probe.up()
            await probe.until(lambda: venue.health.failed_polls > 3)
            (note,) = [note for note in probe.notes if note.text == "audit failed"]
            assert "429" in str(note.data["reason"])
            assert probe.links == [True]
            venue.send([bid(1)])
            refused = await probe.first(Rejected)
            assert refused.code is RejectCode.RATE
        with pytest.raises(VenueError, match=r"too busy to start with \(HTTP 429"):
            await venue.bootstrap()
        asked_again = [note for note in probe.notes if "asked again" in note.text]
        assert [note.data["pause_s"] for note in asked_again] == [0.01, 0.02]


async def test_a_start_that_meets_429_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Begun anew it spent what had just come free, and never came to its end."""
    async with stand() as at:
        venue = at.venue(Probe())
        asked, post = Counter[str](), venue._rest._post

        async def refusing(path: str, body: dict[str, Any]) -> bytes:
            asked[body["type"]] += 1
            if asked[body["type"]] <= 2:
                raise RestError("HTTP 429 null", status=429)
            return await post(path, body)

        monkeypatch.setattr(venue._rest, "_post", refusing)
        monkeypatch.setattr("mm.adapters.hyperliquid.bootstrap.PAUSES_S", [0.01] * 99)
        await venue.bootstrap()
    assert set(asked.values()) <= {3, 4}
    assert asked["meta"] == asked["userFees"] == 3


async def test_a_question_that_waits_for_request_weight_says_so() -> None:
    """A restart soon after others stood still for half a minute, and nobody knew why."""
    async with stand() as at:
        venue = at.venue(probe := Probe())
        venue.meter.spend(venue.meter.limit)
        waiting = asyncio.create_task(venue.bootstrap())
        await probe.until(lambda: probe.notes != [])
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert "request weight is spent" in probe.notes[0].text
    assert 55 < float(probe.notes[0].data["wait_s"] or 0) <= 60


async def test_funding_is_told_once() -> None:
    hour = 3600 * NS_PER_S
    ahead = hour - time.time_ns() % hour - NS_PER_S  # the hour strikes in a second
    async with stand(ahead=ahead) as at, live(at) as (venue, probe):
        venue.send([bid(1, "99995", "0.1")])
        await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.1")
        await probe.first(Fill)
        paid = await probe.first(Funding)
        assert paid.venue_ts % hour < NS_PER_S
        assert paid.rate > 0
        assert paid.amount < 0
        at.server.drop_all()
        await probe.up(times=2)
        assert probe.of(Funding) == [paid]


def test_it_is_a_venue_by_shape() -> None:
    venue: Venue = HyperliquidVenue(
        VenueSettings(network="mainnet", coins=("BTC",)), ME, WallClock(), Probe().emit, PREFIX
    )
    assert callable(venue.send)


def test_a_client_id_of_ours_is_known_by_its_prefix() -> None:
    venue = HyperliquidVenue(
        VenueSettings(network="testnet", coins=("BTC",)), ME, WallClock(), Probe().emit, PREFIX
    )
    assert venue.own.is_own(cloid(1))
    assert not venue.own.is_own("0x" + "f" * 32)
    assert not venue.own.is_own(None)


async def test_a_busy_venue_is_asked_again() -> None:
    """The first answers are 502s; the start waits for the first good one."""
    async with stand() as at:
        refused = 2

        async def busy(request: web.Request) -> web.StreamResponse:
            nonlocal refused
            if refused:
                refused -= 1
                return web.Response(status=502, text="bad gateway")
            async with aiohttp.ClientSession() as session:
                body = await request.read()
                headers = {"Content-Type": "application/json"}
                async with session.post(
                    f"{at.server.url}/info", data=body, headers=headers
                ) as answer:
                    return web.Response(body=await answer.read(), content_type="application/json")

        app = web.Application()
        app.router.add_post("/info", busy)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            boot = await at.venue(Probe(), base_url=f"http://127.0.0.1:{port}").bootstrap()
        finally:
            await runner.cleanup()

    assert refused == 0
    assert boot.instrument.name == "BTC"


@pytest.mark.parametrize(("way", "most"), [("in flight", 5), ("annulled", 1)])
async def test_leaving_looks_again_only_for_what_may_come_and_not_in_haste(
    way: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look weighs 20 of the minute's 1,200: after eight a new connection had to wait."""
    async with stand() as at, live(at) as (venue, _):
        if way == "in flight":
            venue.own.sent([cloid(9)])
        else:
            venue.own.doubts[cloid(9)] = Doubt(kind=RequestKind.PLACE, expires=0)
        looks, listing = list[str](), venue._rest.open_orders

        async def counted(user: str, dex: str = "", *, urgent: bool = False) -> list[OrderCore]:
            looks.append(dex)
            return await listing(user, dex, urgent=urgent)

        monkeypatch.setattr(venue._rest, "open_orders", counted)
        monkeypatch.setattr(venue._reconciler.resolver, "relinking_until", 2**62)
        await venue.cancel_all()
        assert 1 <= len(looks) <= most
