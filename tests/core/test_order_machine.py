"""Orders in every interleaving of the venue's words: nothing lost, stuck or understated.

The world, and what is assumed of lags, is in `order_world`. More runs: MM_ORDER_RUNS, and longer
ones: MM_ORDER_STEPS.
"""

import os
from collections.abc import Callable
from decimal import Decimal
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mm.model.quote import Ladder, Level
from mm.model.units import NS_PER_MS, Side
from tests.core.order_world import LIMITS, ZERO, World

Rows = list[tuple[Decimal, Decimal]]
"""(size, how deep beyond the level's own price) of each level."""
FATES = ("done", "done", "closes first", "refused", "early", "whole")
ENDS = ("canceled", "scheduledCancel", "selfTradeCanceled")

sizes = st.integers(1, 4).map(Decimal)
depths = st.integers(0, 4).map(Decimal)
sides = st.lists(st.tuples(sizes, depths), max_size=2)
index = st.integers(0, 7)
seldom = st.integers(0, 5).map(lambda n: n == 5)


def ladder(side: Side, rows: Rows) -> tuple[Level, ...]:
    base = Decimal(100) - side
    return tuple(
        Level(side, number, base - side * (number * 10 + depth), size)
        for number, (size, depth) in enumerate(rows, 1)
    )


class OrderLife(RuleBasedStateMachine):
    """Rules are all that may happen; invariants hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # -- our side -------------------------------------------------------------------------------

    @rule(bids=sides, asks=sides)
    def quote(self, bids: Rows, asks: Rows) -> None:
        self.world.quote(Ladder(ladder(Side.BID, bids), ladder(Side.ASK, asks)))

    @initialize(bids=sides, asks=sides)
    def begin(self, bids: Rows, asks: Rows) -> None:
        self.quote(bids, asks)
        self.world.drain()

    @rule(bids=sides, asks=sides)
    def requote_all_told(self, bids: Rows, asks: Rows) -> None:
        """The calm course of things, so that what is rare meets orders that rest."""
        if not self.world.tasks:
            self.world.drain()
            self.quote(bids, asks)

    @rule(rarely=seldom)
    def cancel_all(self, rarely: bool) -> None:
        if rarely:
            self.world.cancel_all()

    @rule(ms=st.sampled_from((60, 60, 300, 600, 2500, 7000, 16000)))
    def wait(self, ms: int) -> None:
        self.world.wait(ms * NS_PER_MS)

    # -- the venue ------------------------------------------------------------------------------

    @precondition(lambda self: any(f.answer is None for f in self.world.flights))
    @rule(at=index, fate=st.sampled_from(FATES))
    def execute(self, at: int, fate: str) -> None:
        waiting = [f for f in self.world.flights if f.answer is None]
        self.world.execute(waiting[at % len(waiting)], fate)

    @precondition(lambda self: self.world.venue.resting)
    @rule(at=index, size=sizes)
    def take(self, at: int, size: Decimal) -> None:
        order = self.world.venue.resting[at % len(self.world.venue.resting)]
        self.world.venue.take(order, min(size, order.remaining))

    @precondition(lambda self: self.world.venue.resting)
    @rule(at=index, status=st.sampled_from(ENDS))
    def end(self, at: int, status: str) -> None:
        order = self.world.venue.resting[at % len(self.world.venue.resting)]
        self.world.venue.end(order, status)

    # -- the words ------------------------------------------------------------------------------

    @precondition(lambda self: any(f.awaited and f.answer for f in self.world.flights))
    @rule(at=index)
    def answer(self, at: int) -> None:
        ready = [f for f in self.world.flights if f.awaited and f.answer]
        self.world.answer(ready[at % len(ready)])

    @precondition(lambda self: any(f.awaited for f in self.world.flights))
    @rule(at=index)
    def lose(self, at: int) -> None:
        awaited = [f for f in self.world.flights if f.awaited]
        self.world.lose(awaited[at % len(awaited)])

    @precondition(lambda self: self.world.venue.updates)
    @rule(count=st.integers(1, 4))
    def update(self, count: int) -> None:
        for _ in range(min(count, len(self.world.venue.updates))):
            self.world.next_update()

    @precondition(lambda self: self.world.venue.fill_words)
    @rule(again=st.booleans())
    def fill(self, again: bool) -> None:
        self.world.next_fill(again=again)

    # -- REST and the link ----------------------------------------------------------------------

    @rule(name=st.sampled_from(("audit", "resolve")))
    def start(self, name: str) -> None:
        if name == "resolve" or self.world.state.link_up:
            self.world.start(name)

    @precondition(lambda self: self.world.tasks)
    @rule(at=index, steps=st.integers(1, 6), fail=st.sampled_from((False, False, False, True)))
    def step(self, at: int, steps: int, fail: bool) -> None:
        task = self.world.tasks[at % len(self.world.tasks)]
        for _ in range(steps):
            if task in self.world.tasks:
                self.world.step(task, fail=fail and task.name != "reconnect")

    @precondition(lambda self: self.world.state.link_up)
    @rule(rarely=seldom)
    def disconnect(self, rarely: bool) -> None:
        if rarely:
            self.world.disconnect()

    @precondition(lambda self: not self.world.state.link_up)
    @rule()
    def reconnect(self) -> None:
        self.world.begin_reconnect()

    @rule(seed=st.integers(0, 2**32))
    def storm(self, seed: int) -> None:
        """Many things at once, weighted by how often they happen: dense where rules are sparse."""
        random = Random(seed)
        for _ in range(30):
            self._gust(random)
            self.position_is_the_sum_of_fills_told()
            self.nothing_that_may_trade_is_forgotten()
            self.the_limit_holds_whatever_fills()
            self.no_level_has_two_orders_at_the_venue()

    def _gust(self, random: Random) -> None:
        world, at = self.world, random.randrange(8)
        venue = world.venue
        size = Decimal(random.randint(1, 4))
        rows = [[(size, Decimal(random.randrange(5)))] * random.randrange(3) for _ in Side]
        waiting = any(f.answer is None for f in world.flights)
        ready = any(f.awaited and f.answer for f in world.flights)
        awaited = any(f.awaited for f in world.flights)
        chances: list[tuple[object, int, Callable[[], None]]] = [
            (True, 20, lambda: self.quote(*rows)),
            (waiting, 25, lambda: self.execute(at, random.choice(FATES))),
            (ready, 20, lambda: self.answer(at)),
            (awaited, 5, lambda: self.lose(at)),
            (venue.updates, 15, world.next_update),
            (venue.fill_words, 10, lambda: self.fill(again=at == 0)),
            (venue.resting, 15, lambda: self.take(at, size)),
            (venue.resting, 4, lambda: self.end(at, random.choice(ENDS))),
            (True, 12, lambda: self.wait(random.choice((60, 60, 300, 600, 2500)))),
            (True, 1, world.cancel_all),
            (world.state.link_up, 1, world.disconnect),
            (not world.state.link_up, 4, world.begin_reconnect),
            (True, 6, lambda: self.start(random.choice(("audit", "resolve")))),
            (world.tasks, 20, lambda: self.step(at, random.randint(1, 6), fail=at == 0)),
        ]
        able = [(weight, act) for can, weight, act in chances if can]
        random.choices([act for _, act in able], [weight for weight, _ in able])[0]()

    # -- what must always hold ------------------------------------------------------------------

    @invariant()
    def position_is_the_sum_of_fills_told(self) -> None:
        assert self.world.state.pnl.position == sum(self.world.delivered.values(), ZERO)

    @invariant()
    def nothing_that_may_trade_is_forgotten(self) -> None:
        """While the link is up, when alone we quote: position and worst case understate nothing."""
        state = self.world.state
        if state.link_up:
            for side in Side:
                believed = side * state.pnl.position + state.orders.worst_case(side)
                assert self.world.exposure(side) <= believed

    @invariant()
    def the_limit_holds_whatever_fills(self) -> None:
        for side in Side:
            assert self.world.exposure(side) <= LIMITS.max_position

    @invariant()
    def no_level_has_two_orders_at_the_venue(self) -> None:
        taken = [(one.side, self.world.levels[one.cloid]) for one in self.world.venue.resting]
        assert len(taken) == len(set(taken))

    @invariant()
    def nothing_fills_beyond_its_size(self) -> None:
        assert all(order.filled <= order.size for order in self.world.state.orders)

    def teardown(self) -> None:
        """At rest all three agree, and nobody waits for a word."""
        world = self.world
        world.settle()
        open_at_venue = {(o.cloid, o.oid, o.price, o.remaining) for o in world.venue.resting}
        assert world.live_orders() == open_at_venue
        assert not [order for order in world.state.orders if order.busy or order.ended]
        assert {c: r.oid for c, r in world.own.open.items()} == world.venue_ids()
        assert not world.own.doubts
        assert not world.own.any_in_flight
        assert world.state.pnl.position == world.venue.position
        assert world.state.mismatch is None


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(
    max_examples=int(os.environ.get("MM_ORDER_RUNS", "200")),
    stateful_step_count=int(os.environ.get("MM_ORDER_STEPS", "60")),
    suppress_health_check=list(HealthCheck),
)
