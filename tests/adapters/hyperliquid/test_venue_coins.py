"""Several coins of one account: each desk hears its own, and one request serves them all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec import structs

from mm.adapters.hyperliquid.server.subscriptions import L2Book
from mm.adapters.hyperliquid.settings import VenueError
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Action, Cancel, CancelAll, Place
from mm.model.beside import NOTHING_BESIDE
from mm.model.custody import UpdateLeverage
from mm.model.events import (
    Account,
    ActionBudget,
    Bbo,
    Book,
    Fees,
    Fill,
    OrderClosed,
    OrderOpened,
    Rejected,
    Rules,
)
from mm.model.exchange import FeeRates, OrderSpec, PlaceOrders, Tif
from mm.model.units import NS_PER_MS, Side
from mm.sim.exchange import Exchange
from mm.sim.scripted import calm_market
from tests.adapters.hyperliquid.stand import (
    ME,
    OTHER,
    PATIENT,
    PREFIX,
    QUICK,
    RULES,
    Probe,
    Stand,
    cloid,
    running,
    until,
)

GOLD = "xyz:GOLD"
COINS = ("BTC", "ETH", GOLD)
ASSETS = {"BTC": 0, "ETH": 1, GOLD: 110_000}


class Coins(Stand):
    """The stand with three calm markets, the third on a builder's exchange."""

    def __init__(self, rates: FeeRates | None = None) -> None:
        super().__init__(QUICK, PATIENT, 0, RULES)
        start_ms = self.clock.now() // NS_PER_MS
        markets = [calm_market(start_ms) for _ in COINS]
        for market, coin in zip(markets, COINS, strict=True):
            market.instrument = structs.replace(
                market.instrument, name=coin, asset=ASSETS[coin], max_leverage=25
            )
        rules = RULES if rates is None else structs.replace(RULES, fees=rates)
        self.exchange = Exchange(markets, start_ms, rules)
        self.server = self._server(0)
        self.probes = {coin: Probe() for coin in COINS}

    def join(self, **changes: object) -> HyperliquidVenue:
        settings = self.settings(**({"coins": COINS} | changes))
        first, *others = settings.coins
        venue = HyperliquidVenue(settings, ME, self.clock, self.probes[first].emit, PREFIX)
        for coin in others:
            venue.open(coin, self.probes[coin].emit)
        return venue

    def take_in(self, coin: str, side: Side, price: str, size: str) -> None:
        spec = OrderSpec(ASSETS[coin], side, Decimal(price), Decimal(size), Tif.IOC)
        self.act(OTHER, PlaceOrders((spec,)))

    def rests(self) -> dict[str | None, str]:
        return {row.cloid: row.coin for row in self.exchange.open_orders(ME.address)}


@asynccontextmanager
async def coins(rates: FeeRates | None = None) -> AsyncIterator[Coins]:
    found = Coins(rates)
    await found.server.start()
    try:
        yield found
    finally:
        await found.server.stop()


@asynccontextmanager
async def joined(at: Coins, **changes: object) -> AsyncIterator[HyperliquidVenue]:
    async with running(at.join(**changes)) as venue:
        for coin in venue.settings.coins:
            await at.probes[coin].up()
        yield venue


def bid(number: int, price: str = "99980") -> Place:
    return Place(cloid(number), Side.BID, 1, Decimal(price), Decimal("0.01"))


def send(venue: HyperliquidVenue, coin: str, *actions: Action) -> None:
    desk = venue.desks.get(coin)
    assert desk is not None
    desk.send(actions)


async def test_each_coin_hears_its_own_market_and_account() -> None:
    async with coins() as at, joined(at):
        for coin in COINS:
            probe = at.probes[coin]
            await probe.first(Book)
            await probe.first(Bbo)
            account = await probe.first(Account)
            assert (account.position, account.equity) == (Decimal(0), Decimal(100_000))


async def test_orders_of_all_coins_travel_in_one_signed_action() -> None:
    async with coins() as at, joined(at) as venue:
        before = venue.meter.spare
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, bid(number))
        for number, coin in enumerate(COINS, 1):
            opened = await at.probes[coin].first(OrderOpened)
            assert opened.cloid == cloid(number)
            assert len(at.probes[coin].of(OrderOpened)) == 1

        assert at.rests() == {cloid(n): coin for n, coin in enumerate(COINS, 1)}
        assert before - venue.meter.spare < 10, "no request but one for the three"
        assert venue.health.sent.total() == 3


async def test_a_fill_lands_on_its_coin_alone() -> None:
    async with coins() as at, joined(at) as venue:
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, bid(number, "99995"))
            await at.probes[coin].first(OrderOpened)
        at.take_in(GOLD, Side.ASK, "99995", "0.004")

        fill = await at.probes[GOLD].first(Fill)

        assert (fill.cloid, fill.size) == (cloid(3), Decimal("0.004"))
        assert not at.probes["BTC"].of(Fill)
        assert not at.probes["ETH"].of(Fill)


async def test_cancel_all_of_one_engine_leaves_the_others_orders() -> None:
    async with coins() as at, joined(at) as venue:
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, bid(number))
            await at.probes[coin].first(OrderOpened)

        send(venue, "ETH", CancelAll("halted"))

        await at.probes["ETH"].first(OrderClosed)
        await until(lambda: at.rests() == {cloid(1): "BTC", cloid(3): GOLD})


async def test_leaving_sweeps_every_coin_and_exchange() -> None:
    async with coins() as at:
        async with joined(at) as venue:
            for number, coin in enumerate(COINS, 1):
                send(venue, coin, bid(number))
                await at.probes[coin].first(OrderOpened)
        assert len(at.rests()) == 3

        assert await venue.cancel_all() == 0
        assert at.rests() == {}


async def test_orders_of_a_former_run_go_on_every_coin_and_foreign_ones_stay() -> None:
    async with coins() as at:
        names = {coin: cloid(n, run=7) for n, coin in enumerate(COINS)}
        for coin, name in names.items():
            spec = OrderSpec(
                ASSETS[coin], Side.BID, Decimal(99900), Decimal("0.01"), Tif.ALO, False, name
            )
            foreign = structs.replace(spec, cloid="0x" + f"{ASSETS[coin]:032x}")
            at.act(ME.address, PlaceOrders((spec, foreign)))
        await until(lambda: len(at.rests()) == 6)

        async with joined(at):
            assert not set(names.values()) & set(at.rests())
            assert len(at.rests()) == 3


async def test_a_reconnect_repairs_every_coin() -> None:
    """Fills and cancels of the gap, on the main and on a builder's exchange."""
    async with coins() as at, joined(at) as venue:
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, bid(number, "99995"))
            await at.probes[coin].first(OrderOpened)
        at.server.drop_all()
        for coin in COINS:
            at.take_in(coin, Side.ASK, "99995", "0.01")

        for number, coin in enumerate(COINS, 1):
            await at.probes[coin].up(times=2)
            fill = await at.probes[coin].first(Fill)
            assert fill.cloid == cloid(number)
            assert len(at.probes[coin].of(Fill)) == 1
            await at.probes[coin].first(Account, lambda one: one.position == Decimal("0.01"))


async def test_the_action_budget_is_shared_evenly() -> None:
    async with coins() as at, joined(at):
        for coin in COINS:
            budget = await at.probes[coin].first(ActionBudget)
            assert (budget.cap, budget.sharers) == (10_000, 3)


async def test_a_cancel_names_the_asset_of_its_coin() -> None:
    async with coins() as at, joined(at) as venue:
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, bid(number))
            await at.probes[coin].first(OrderOpened)
        for number, coin in enumerate(COINS, 1):
            send(venue, coin, Cancel(cloid(number)))

        await until(lambda: at.rests() == {})
        for coin in COINS:
            assert not at.probes[coin].of(Rejected)


# -- builders' exchanges ------------------------------------------------------------------------


async def test_a_builders_coin_has_an_asset_id_fees_and_positions_of_its_own() -> None:
    async with coins() as at:
        venue = at.join()
        await venue.bootstrap()

        found = {coin: boot.instrument.asset for coin, boot in venue.found.items()}
        assert found == ASSETS
        assert (venue.found["BTC"].maker_bps, venue.found[GOLD].maker_bps) == (1.5, 3.0)


async def test_a_builders_exchange_has_a_balance_of_its_own() -> None:
    """What is bought there is paid there, and takes no margin here."""
    async with coins() as at:
        spec = OrderSpec(ASSETS[GOLD], Side.BID, Decimal(100_010), Decimal("0.5"), Tif.IOC)
        at.act(ME.address, PlaceOrders((spec,)))
        await until(lambda: at.exchange.fills(ME.address))
        async with joined(at):
            btc, eth, gold = [at.probes[coin].of(Account)[0] for coin in COINS]

    assert (gold.position, btc.position) == (Decimal("0.5"), Decimal(0))
    assert btc.equity == eth.equity == 100_000
    assert gold.equity < 100_000
    assert {one.beside for one in (btc, eth, gold)} == {NOTHING_BESIDE}


@pytest.mark.parametrize(
    ("coin", "words"),
    [
        ("xyz:GOLDD", r"unknown coin 'xyz:GOLDD' on local \(1 listed\); did you mean 'xyz:GOLD'\?"),
        ("abc:GOLD", r"no builder's exchange 'abc' on local \(1 listed\)"),
    ],
)
async def test_a_builders_coin_that_is_not_there(coin: str, words: str) -> None:
    async with coins() as at:
        settings = at.settings(coins=(coin,))
        venue = HyperliquidVenue(settings, ME, at.clock, Probe().emit, PREFIX)
        with pytest.raises(VenueError, match=words):
            await venue.bootstrap()


# -- rules that change --------------------------------------------------------------------------


async def upgrade(at: Coins, coin: str, **changes: object) -> None:
    """The venue comes back with other rules for this coin."""
    grid = at.exchange._coins[coin].grid
    grid.instrument = structs.replace(grid.instrument, **changes)
    await at.restart()


async def test_rules_that_changed_during_an_upgrade_reach_their_coin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mm.adapters.hyperliquid.terms.RULES_AGE", 0)
    async with coins() as at, joined(at) as venue:
        await upgrade(at, "ETH", size_decimals=3, max_leverage=10)

        rules = await at.probes["ETH"].first(Rules)

        assert (rules.instrument.size_decimals, rules.instrument.price_decimals) == (3, 3)
        assert rules.instrument.max_leverage == 10
        assert not at.probes["BTC"].of(Rules)
        await at.probes["ETH"].up(times=2)
        assert venue.health.reconnects


async def test_a_leverage_that_the_account_has_chosen_bounds_the_instrument() -> None:
    async with coins() as at:
        at.act(ME.address, UpdateLeverage(ASSETS["ETH"], True, 3))
        await asyncio.sleep(0.1)
        venue = at.join()
        await venue.bootstrap()

        chosen = {coin: boot.instrument.max_leverage for coin, boot in venue.found.items()}
        assert chosen == {"BTC": 20, "ETH": 3, GOLD: 20}


# -- fees ---------------------------------------------------------------------------------------


async def test_a_rebate_is_income_and_said_to_be_one() -> None:
    rates = FeeRates(maker=Decimal("-0.00003"), taker=Decimal("0.00024"))
    async with coins(rates) as at, joined(at) as venue:
        fees = await at.probes["BTC"].first(Fees)
        assert (fees.maker_bps, fees.taker_bps) == (-0.3, 2.4)
        assert (await at.probes[GOLD].first(Fees)).maker_bps == 0.0
        send(venue, "BTC", structs.replace(bid(1, "99995"), size=Decimal("0.02")))
        await at.probes["BTC"].first(OrderOpened)
        at.take_in("BTC", Side.ASK, "99995", "0.02")

        fill = await at.probes["BTC"].first(Fill)

        assert fill.fee == Decimal("-0.059997"), "0.3 bps of 1,999.90 USD"


# -- streams ------------------------------------------------------------------------------------


async def test_a_coin_that_falls_silent_is_subscribed_again_though_the_others_speak() -> None:
    async with coins() as at, joined(at, book_stale_s=0.5, full_book_poll_s=3600.0) as venue:
        await at.probes["ETH"].first(Book)
        assert venue.health.resubscribes == 0
        (connection,) = at.server.connections
        lost = L2Book("ETH", fast=True)
        at.server._feeds.remove(connection, lost)
        heard = len(at.probes["ETH"].of(Book))

        await at.probes["ETH"].until(lambda: len(at.probes["ETH"].of(Book)) > heard + 2)

        assert venue.health.resubscribes >= 1
        assert at.probes["BTC"].links == [True]


async def test_feed_ages_are_those_of_the_coin_that_is_asked_for() -> None:
    async with coins() as at, joined(at) as venue:
        for coin in COINS:
            await at.probes[coin].first(Book)
        (connection,) = at.server.connections
        at.server._feeds.remove(connection, L2Book("ETH", fast=True))
        await asyncio.sleep(0.5)

        ages = {coin: venue.health.feed_age_s(coin)["book"] for coin in COINS}
        assert ages["ETH"] > max(ages["BTC"], ages[GOLD])


async def test_the_dead_man_stays_away_from_orders_where_we_trade_nothing() -> None:
    """It would cancel them too."""
    foreign = "0x" + "f" * 32
    async with coins() as at:
        at.place(ME.address, Side.BID, "99950", "0.01", foreign)
        await until(at.rests)
        async with joined(at, coins=(GOLD,), dead_man_s=6.0) as venue:
            probe = at.probes[GOLD]
            await probe.until(lambda: len(probe.of(Book)) > 5)
            assert not venue.dead_man.armed
            at.cancel(ME.address, foreign)
            await probe.until(lambda: venue.dead_man.armed)
            assert at.rests() == {}


async def test_the_dead_man_leaves_orders_alone_on_an_exchange_that_is_listed_while_we_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was unseen until a restart, and the switch cancels every order of the account."""
    async with coins() as at:
        views, asked = at.server._views, list[bool]()
        listed, news = views.dexes, False

        def dexes() -> list[dict[str, object] | None]:
            asked.append(news)
            return listed() if news else [None]

        monkeypatch.setattr(views, "dexes", dexes)
        spec = OrderSpec(ASSETS[GOLD], Side.BID, Decimal(99900), Decimal("0.01"), Tif.ALO)
        at.act(ME.address, PlaceOrders((spec,)))
        await until(lambda: len(at.rests()) == 1)
        async with joined(at, coins=("BTC",), dead_man_s=6.0) as venue:
            probe = at.probes["BTC"]
            await probe.until(lambda: venue.dead_man.armed)
            news = True
            venue.dead_man.armed = False
            await probe.until(lambda: venue.dead_man.armed)
            assert asked == [False], "it asks once an hour"

            monkeypatch.setattr("mm.adapters.hyperliquid.questions.EXPLORED_FOR", 0)
            await probe.until(lambda: not venue.dead_man.armed)
            assert venue._reconciler.ask.foreign_open == 1
            assert len(at.rests()) == 1
