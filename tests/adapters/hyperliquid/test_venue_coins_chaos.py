"""The storm over three coins at once: afterwards each agrees with the exchange."""

import asyncio
from decimal import Decimal
from random import Random

import pytest

from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.events import Account, Book, Fill
from tests.adapters.hyperliquid.stand import ME, Probe
from tests.adapters.hyperliquid.test_venue_chaos import Tracker, next_action
from tests.adapters.hyperliquid.test_venue_coins import COINS, Coins, coins, joined, send

STEPS = 60
IMPATIENT = {"request_timeout_s": 0.5, "expires_after_s": 0.5, "reconnect_max_s": 0.1}


async def disturb(random: Random, at: Coins) -> None:
    match random.randrange(10):
        case 0:
            at.server.drop_all()
        case 1:
            at.faults.append(None)
        case 2:
            at.faults.append(random.choice([0.05, 0.6]))
        case 3 | 4 | 5 | 6:
            rows = at.exchange.open_orders(ME.address)
            if rows:
                row = random.choice(rows)
                at.take_in(row.coin, row.side.opposite, f"{row.price:f}", "0.002")
        case _:
            await asyncio.sleep(random.random() * 0.02)


async def quiet(venue: HyperliquidVenue, at: Coins, trackers: dict[str, Tracker]) -> None:
    """All up, nothing in flight or in doubt, and for a while no news."""

    def still() -> bool:
        for tracker in trackers.values():
            tracker.catch_up()
        waiting = venue.own.any_in_flight or venue.own.doubts
        up = all(at.probes[coin].links[-1] for coin in COINS)
        return up and not waiting and all(o.live for t in trackers.values() for o in t.orders)

    probe = at.probes["BTC"]
    for _ in range(3):
        await probe.until(still, 20)
        later = len(probe.of(Book)) + 1
        await probe.until(lambda books=later: len(probe.of(Book)) >= books)  # type: ignore[misc]  # a default binds it


@pytest.mark.parametrize("seed", range(2))
async def test_after_the_storm_each_coin_agrees(seed: int) -> None:
    random = Random(seed)
    async with coins() as at, joined(at, **IMPATIENT) as venue:
        venue.meter.limit = 1_000_000
        trackers = {coin: Tracker(at.probes[coin], at.clock) for coin in COINS}
        for number in range(1, STEPS):
            for index, (coin, tracker) in enumerate(trackers.items()):
                tracker.catch_up()
                action = next_action(random, tracker.idle(), number + 1000 * index)
                tracker.sent(action)
                send(venue, coin, action)
            await disturb(random, at)
            await asyncio.sleep(0.005)
        at.faults.clear()
        await quiet(venue, at, trackers)

        assert venue.health.reconnects > 1
        for coin, tracker in trackers.items():
            check(at, coin, tracker)
        filled = sum(len(at.probes[coin].of(Fill)) for coin in COINS)
        assert filled, "a calm storm proves nothing"
        before = {coin: len(at.probes[coin].of(Account)) for coin in COINS}
        at.server.drop_all()
        for coin in COINS:
            await audited(at.probes[coin], before[coin])
            assert at.probes[coin].of(Account)[-1].position == position(at.probes[coin])
        assert await venue.cancel_all() == 0
        assert at.rests() == {}


def check(at: Coins, coin: str, tracker: Tracker) -> None:
    rows = [row for row in at.exchange.open_orders(ME.address) if row.coin == coin]
    believed = {one.cloid: (one.price, one.remaining) for one in tracker.orders if one.live}
    assert believed == {row.cloid: (row.price, row.remaining) for row in rows}
    told = sorted((fill.trade_id, fill.size) for fill in at.probes[coin].of(Fill))
    fills = (fill.trade for fill in at.exchange.fills(ME.address) if fill.trade.coin == coin)
    assert told == sorted((trade.trade_id, trade.size) for trade in fills)


async def audited(probe: Probe, seen: int) -> None:
    await probe.until(lambda: len(probe.of(Account)) > seen)


def position(probe: Probe) -> Decimal:
    return sum((fill.side * fill.size for fill in probe.of(Fill)), Decimal(0))
