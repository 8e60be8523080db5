"""Seeded faults at the client: afterwards its orders and fills are the exchange's, once each."""

import asyncio
from decimal import Decimal
from functools import partial
from random import Random

import pytest

from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.core.orders import Order, Orders
from mm.model.actions import Cancel, Modify, Place
from mm.model.events import (
    Account,
    Book,
    Event,
    Fill,
    OrderClosed,
    OrderOpened,
    Rejected,
    Unresolved,
)
from mm.model.units import Side
from tests.adapters.hyperliquid.stand import ME, Probe, Stand, WallClock, cloid, live, stand

STEPS = 120


class Tracker:
    """The core's own belief about its orders, fed with what the adapter tells."""

    def __init__(self, probe: Probe, clock: WallClock) -> None:
        self.orders = Orders()
        self._probe = probe
        self._clock = clock
        self._read = 0

    def sent(self, action: Place | Modify | Cancel) -> None:
        now = self._clock.now()
        if isinstance(action, Place):
            self.orders.add(Order(action, now))
            return
        order = self.orders.get(action.cloid)
        assert order is not None
        if isinstance(action, Modify):
            order.modify_sent(action, now)
        else:
            order.cancel_sent(now)

    def catch_up(self) -> None:
        fresh, self._read = self._probe.events[self._read :], len(self._probe.events)
        for event in fresh:
            order = self.orders.get(getattr(event, "cloid", None))
            if order is not None:
                hear(order, event)
        self.orders.expire(self._clock.now())

    def idle(self) -> dict[str, int]:
        """Orders that rest and wait for nothing: client id -> venue id."""
        resting = (one for one in self.orders if one.live and not one.busy)
        return {one.cloid: one.oid for one in resting if one.oid is not None}


def hear(order: Order, event: Event) -> None:
    match event:
        case Fill():
            order.fill(event)
        case OrderOpened():
            order.opened(event)
        case OrderClosed():
            order.closed(event)
        case Rejected():
            order.rejected(event)
        case Unresolved():
            order.unresolved(event)


def next_action(random: Random, idle: dict[str, int], number: int) -> Place | Modify | Cancel:
    side = random.choice([Side.BID, Side.ASK])
    price = Decimal(100_000) - side * (5 + random.randrange(5))
    size = Decimal(random.randrange(1, 5)) / 1000
    names = sorted(idle)
    choice = random.random()
    if not names or choice < 0.4:
        return Place(cloid(number), side, 1, price, size)
    name = random.choice(names)
    if choice < 0.7:
        return Modify(name, idle[name], side, 1, price, size)
    return Cancel(name)


async def disturb(random: Random, at: Stand) -> None:
    match random.randrange(12):
        case 0:
            at.server.drop_all()
        case 1:
            at.faults.append(None)
        case 2:
            at.faults.append(random.choice([0.05, 0.6]))
        case 3 | 4 | 5 | 6 | 7 | 8:
            rows = at.exchange.open_orders(ME.address)
            if rows:
                row = random.choice(rows)
                at.take(row.side.opposite, f"{row.price:f}", "0.002")
        case _:
            await asyncio.sleep(random.random() * 0.02)


@pytest.mark.parametrize("seed", range(3))
async def test_after_the_storm_everything_agrees(seed: int) -> None:
    random = Random(seed)
    changes = {"request_timeout_s": 0.5, "expires_after_s": 0.5, "reconnect_max_s": 0.1}
    async with stand() as at, live(at, **changes) as (venue, probe):
        tracker = Tracker(probe, at.clock)
        venue.meter.limit = 100_000  # a storm of an hour in seconds: the minute's limit is not it
        for number in range(1, STEPS):
            tracker.catch_up()
            action = next_action(random, tracker.idle(), number)
            tracker.sent(action)
            venue.send([action])
            await disturb(random, at)
            await asyncio.sleep(0.005)
        at.faults.clear()
        await quiet(venue, probe, tracker)

        rows = at.exchange.open_orders(ME.address)
        resting = {row.cloid: row.oid for row in rows}
        assert probe.of(Fill), "a calm storm proves nothing"
        assert venue.health.reconnects > 1
        assert tracker.idle() == resting
        believed = {one.cloid: (one.price, one.remaining) for one in tracker.orders if one.live}
        assert believed == {row.cloid: (row.price, row.remaining) for row in rows}
        assert {name: one.oid for name, one in venue.own.open.items()} == resting
        told = sorted((fill.trade_id, fill.size) for fill in probe.of(Fill))
        truth = sorted((f.trade.trade_id, f.trade.size) for f in at.exchange.fills(ME.address))
        assert told == truth
        position = sum((fill.side * fill.size for fill in probe.of(Fill)), Decimal(0))
        at.server.drop_all()
        accounts = len(probe.of(Account))
        await probe.until(lambda: len(probe.of(Account)) > accounts)
        assert probe.of(Account)[-1].position == position
        assert await venue.cancel_all() == 0
        assert at.resting() == {}


def heard(probe: Probe, books: int) -> bool:
    return len(probe.of(Book)) >= books


async def quiet(venue: HyperliquidVenue, probe: Probe, tracker: Tracker) -> None:
    """Up, nothing in flight, no doubt on either side, and for a while no news."""

    def still() -> bool:
        tracker.catch_up()
        waiting = venue.own.any_in_flight or venue.own.doubts
        return probe.links[-1] and not waiting and all(one.live for one in tracker.orders)

    for _ in range(3):
        await probe.until(still, 20)
        later = len(probe.of(Book)) + 1
        await probe.until(partial(heard, probe, later))
