"""Seeded faults at the client: afterwards its orders and fills are the exchange's, once each."""

import asyncio
from decimal import Decimal
from random import Random

import pytest

from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import Account, Fill, OrderClosed, OrderOpened, Rejected
from mm.model.units import Side
from tests.adapters.hyperliquid.stand import ME, Probe, Stand, cloid, live, stand

STEPS = 120


class Tracker:
    """A consumer that believes the events: which of its orders rest, under which id."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._read = 0
        self.open: dict[str, int] = {}
        self.retired: set[int] = set()

    def catch_up(self) -> None:
        fresh, self._read = self._probe.events[self._read :], len(self._probe.events)
        for event in fresh:
            match event:
                case OrderOpened(cloid=name, oid=oid) if oid not in self.retired:
                    self.open[name] = oid
                case OrderClosed(cloid=name, oid=None):
                    self.retired.add(self.open.pop(name, -1))
                case OrderClosed(cloid=name, oid=int(oid)):
                    self.retired.add(oid)
                    if self.open.get(name) == oid:
                        del self.open[name]
                case Rejected(cloid=name, gone=True):
                    self.retired.add(self.open.pop(name, -1))


def next_action(random: Random, tracker: Tracker, number: int) -> Action:
    side = random.choice([Side.BID, Side.ASK])
    price = Decimal(100_000) - side * (5 + random.randrange(5))
    size = Decimal(random.randrange(1, 5)) / 1000
    names = sorted(tracker.open)
    choice = random.random()
    if not names or choice < 0.4:
        return Place(cloid(number), side, 1, price, size)
    name = random.choice(names)
    if choice < 0.7:
        return Modify(name, tracker.open[name], side, 1, price, size)
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


@pytest.mark.parametrize("seed", range(4))
async def test_after_the_storm_everything_agrees(seed: int) -> None:
    random = Random(seed)
    changes = {"request_timeout_s": 0.5, "expires_after_s": 0.5, "reconnect_max_s": 0.1}
    async with stand() as at, live(at, **changes) as (venue, probe):
        tracker = Tracker(probe)
        venue.meter.limit = 100_000  # a storm of an hour in seconds: the minute's limit is not it
        for number in range(1, STEPS):
            tracker.catch_up()
            venue.send([next_action(random, tracker, number)])
            await disturb(random, at)
            await asyncio.sleep(0.005)
        at.faults.clear()
        await quiet(venue, probe)
        tracker.catch_up()

        resting = {row.cloid: row.oid for row in at.exchange.open_orders(ME.address)}
        assert len(probe.of(Fill)) > 5, "a calm storm proves nothing"
        assert venue.health.reconnects > 1
        assert tracker.open == resting
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


async def quiet(venue: HyperliquidVenue, probe: Probe) -> None:
    """Up, nothing in flight, no doubt, and the venue has told all it had to."""
    await probe.until(
        lambda: probe.links[-1] and not venue.own.any_in_flight and not venue.own.doubts, 20
    )
    await asyncio.sleep(0.3)
    await probe.until(
        lambda: probe.links[-1] and not venue.own.any_in_flight and not venue.own.doubts, 20
    )
