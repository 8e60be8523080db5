"""All that may happen in the life of an order, and what must always hold: one set of rules for
the plain seeded driver and for hypothesis.

A step is a rule's name and its arguments. Which one of several flights, orders or words is meant
is a number that wraps round, so that a step still makes sense when those before it are left out.
"""

from bisect import bisect
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

from mm.model.quote import Ladder, Level
from mm.model.units import NS_PER_MS, NS_PER_S, Side
from tests.core.order_world import LIMITS, ZERO, Flight, World

Rows = list[tuple[int, int]]
"""(size, how deep beyond the level's own price) of each level."""
Arguments = tuple[Any, ...]
Step = tuple[str, Arguments]

FATES = ("done", "done", "closes first", "refused", "refused aloud", "early", "whole", "mixed")
ENDS = ("canceled", "marginCanceled", "scheduledCancel", "selfTradeCanceled", "somehowSettled")
"""The last: a status that nobody knows."""
WAITS_MS = (60, 60, 300, 600, 2500, 7000, 16000)
SIDES = (Side.BID, Side.ASK)


class Rule(NamedTuple):
    """`able`: can it happen now? `draw`: how it happens."""

    weight: float
    able: Callable[[World], object]
    draw: Callable[[Random], Arguments]
    act: Callable[..., object]


def always(_: World) -> bool:
    return True


def nothing(_: Random) -> Arguments:
    return ()


def which(random: Random) -> Arguments:
    return (random.randrange(8),)


def word(random: Random) -> Arguments:
    """Mostly the oldest, once; seldom one that overtakes it, or that comes again."""
    early = random.randrange(4) if random.random() < 0.1 else 0
    return early, random.random() < 0.1


def rows(random: Random) -> Rows:
    count = random.choice((0, 1, 1, 2))
    return [(random.randint(1, 4), random.randint(0, 4)) for _ in range(count)]


# -- our side -------------------------------------------------------------------------------------


def ladder(side: Side, wanted: Rows, *, reduce_only: bool = False) -> tuple[Level, ...]:
    base = Decimal(100) - side
    return tuple(
        Level(side, number, base - side * (number * 10 + depth), Decimal(size), reduce_only)
        for number, (size, depth) in enumerate(wanted, 1)
    )


def quote(world: World, bids: Rows, asks: Rows, sent: bool = True, reducing: bool = False) -> None:
    """`reducing`: what leads out of the position may do no more than that."""
    position = world.state.pnl.position
    world.quote(
        Ladder(
            ladder(Side.BID, bids, reduce_only=reducing and position < 0),
            ladder(Side.ASK, asks, reduce_only=reducing and position > 0),
        ),
        sent=sent,
    )


def requote_all_told(world: World, bids: Rows, asks: Rows) -> None:
    """The calm course of things, so that what is rare meets orders that rest."""
    world.drain()
    quote(world, bids, asks)


# -- the wire and the venue -----------------------------------------------------------------------


def to_execute(world: World) -> list[Flight]:
    return [one for one in world.flights if one.answer is None]


def answered(world: World) -> list[Flight]:
    return [one for one in world.flights if one.awaited and one.answer is not None]


def awaited(world: World) -> list[Flight]:
    return [one for one in world.flights if one.awaited]


def execute(world: World, at: int, fate: str) -> None:
    waiting = to_execute(world)
    world.execute(waiting[at % len(waiting)], fate)


def answer(world: World, at: int) -> None:
    ready = answered(world)
    world.answer(ready[at % len(ready)])


def lose(world: World, at: int) -> None:
    waiting = awaited(world)
    world.lose(waiting[at % len(waiting)])


def update(world: World, at: int, again: bool) -> None:
    world.next_update(at, again=again)


def fill(world: World, at: int, again: bool) -> None:
    world.next_fill(at, again=again)


def told_by_a_print(world: World, at: int, again: bool) -> None:
    world.next_print(at, again=again)


def take(world: World, at: int, size: int) -> None:
    order = world.venue.resting[at % len(world.venue.open)]
    world.venue.take(order, min(Decimal(size), order.remaining))


def end(world: World, at: int, status: str) -> None:
    world.venue.end(world.venue.resting[at % len(world.venue.open)], status)


def end_all(world: World) -> None:
    """The venue's dead-man switch."""
    for one in world.venue.resting:
        world.venue.end(one, "scheduledCancel")


def forget(world: World) -> None:
    """The venue answers no more for orders that have ended."""
    world.venue.forgotten.update(world.levels)


def mute(world: World, silent: bool) -> None:
    world.venue.mute = silent


def still(world: World, silent: bool) -> None:
    world.venue.still = silent


def step(world: World, at: int, steps: int, fail: bool) -> None:
    task = world.tasks[at % len(world.tasks)]
    for _ in range(steps):
        if task in world.tasks:
            world.step(task, fail=fail)


def up(world: World) -> bool:
    return world.state.link_up


RULES: dict[str, Rule] = {
    "quote": Rule(20, up, lambda r: (rows(r), rows(r), r.random() < 0.95, r.random() < 0.2), quote),
    "requote all told": Rule(
        1, lambda w: up(w) and not w.tasks, lambda r: (rows(r), rows(r)), requote_all_told
    ),
    "execute": Rule(25, to_execute, lambda r: (r.randrange(8), r.choice(FATES)), execute),
    "answer": Rule(20, answered, which, answer),
    "lose": Rule(5, awaited, which, lose),
    "update": Rule(15, lambda w: w.venue.updates, word, update),
    "fill": Rule(10, lambda w: w.venue.fill_words, word, fill),
    "print": Rule(8, lambda w: w.venue.prints, word, told_by_a_print),
    "take": Rule(15, lambda w: w.venue.open, lambda r: (r.randrange(8), r.randint(1, 4)), take),
    "end": Rule(4, lambda w: w.venue.open, lambda r: (r.randrange(8), r.choice(ENDS)), end),
    "end all": Rule(0.5, lambda w: w.venue.open, nothing, end_all),
    "forget": Rule(0.5, always, nothing, forget),
    "mute": Rule(0.5, up, lambda r: (r.random() < 0.5,), mute),
    "still": Rule(0.2, up, lambda r: (r.random() < 0.5,), still),
    "flatten": Rule(2, lambda w: w.state.pnl.position, nothing, World.flatten),
    "pull": Rule(4, lambda w: not up(w), nothing, World.pull),
    "annul": Rule(3, lambda w: w.may_annul, nothing, lambda w: w.start("annul")),
    "insist": Rule(3, lambda w: w.insists, nothing, lambda w: w.start("insist")),
    "wait": Rule(12, always, lambda r: (r.choice(WAITS_MS),), lambda w, ms: w.wait(ms * NS_PER_MS)),
    "cancel all": Rule(1, always, nothing, World.cancel_all),
    "disconnect": Rule(1, up, nothing, World.disconnect),
    "reconnect": Rule(4, lambda w: not up(w), nothing, World.begin_reconnect),
    "audit": Rule(4, up, nothing, lambda w: w.start("audit")),
    "resolve": Rule(5, always, nothing, lambda w: w.start("resolve")),
    "step": Rule(
        20, lambda w: w.tasks, lambda r: (r.randrange(8), r.randint(1, 6), r.random() < 0.1), step
    ),
}


NAMES = tuple(RULES)
SCALES = (0.2, 1.0, 1.0, 3.0)
Climate = tuple[float, ...]
"""How often each rule is drawn, summed up to it."""


def climate(scales: Iterable[float]) -> Climate:
    weights = [rule.weight * scale for rule, scale in zip(RULES.values(), scales, strict=True)]
    return tuple(accumulate(weights))


class Life:
    """One world; what happens in it, and what must hold after each step and at the end."""

    def __init__(self) -> None:
        self.world = World()
        self.swept = False
        """Everything was to be cancelled: what of it failed the next audit repairs, not before."""
        self.stilled = False
        """The stream of orders was silent: what it left out the audits tell, not before."""

    def draw(self, random: Random, climate: Climate) -> Step:
        """Something that can happen now."""
        while True:
            name = NAMES[bisect(climate, random.random() * climate[-1])]
            if RULES[name].able(self.world):
                return name, RULES[name].draw(random)

    def do(self, name: str, arguments: Arguments) -> None:
        """Nothing where it cannot happen now. AssertionError: what must hold does not."""
        self.world.wait(NS_PER_MS // 10)  # no two steps at the same time
        rule = RULES[name]
        if rule.able(self.world):
            self.swept |= name == "cancel all"
            self.stilled |= arguments == (True,) and name == "still"
            rule.act(self.world, *arguments)
            self.check()

    # -- what must always hold ------------------------------------------------------------------

    def check(self) -> None:
        world = self.world
        told = sum(world.delivered.values(), ZERO)
        assert world.state.pnl.position == told, "the position is not the sum of the fills told"
        self._no_order_is_more_than_the_venues()
        self._no_level_has_two_orders()
        for side in SIDES:
            self._nothing_that_may_trade_is_forgotten(side)
        if world.state.link_up:
            self._what_rests_lives()
            self._somebody_brings_word()

    def _somebody_brings_word(self) -> None:
        """Of every order that waits for it. A sweep tells of what it has listed only."""
        own = self.world.own
        for order in self.world.state.orders:
            if order.busy and not self.swept:
                asked = own.in_flight(order.cloid) or order.cloid in own.doubts
                assert asked, "waits for a word that nobody will say"

    def _no_order_is_more_than_the_venues(self) -> None:
        """Of each venue id that we know we know price and size, and no fill that was not."""
        for order in self.world.state.orders:
            theirs = self.world.venue.orders.get(order.oid or 0)
            assert order.filled <= order.size, "filled beyond its size"
            if theirs is not None:
                same = (theirs.cloid, theirs.price, theirs.size)
                assert same == (order.cloid, order.price, order.size), "another order's terms"
                assert order.filled <= theirs.size - theirs.remaining, (
                    "filled more than at the venue"
                )

    def _no_level_has_two_orders(self) -> None:
        taken = [(one.side, self.world.levels[one.cloid]) for one in self.world.venue.resting]
        assert len(taken) == len(set(taken)), "two orders on a level at the venue"

    def _nothing_that_may_trade_is_forgotten(self, side: Side) -> None:
        """While the link is up, when alone we quote: position and worst case understate nothing."""
        state, exposure = self.world.state, self.world.exposure(side)
        assert exposure <= LIMITS.max_position, "the limit does not hold if all fills"
        if state.link_up:
            believed = side * state.pnl.position + state.orders.worst_case(side)
            assert exposure <= believed, "more may trade than is believed"

    def _what_rests_lives(self) -> None:
        for one in self.world.venue.resting:
            order = self.world.state.orders.get(one.cloid)
            assert order is not None, "rests, and is not tracked"
            assert not order.ended, "rests, and is believed to have ended"

    # -- at the end -----------------------------------------------------------------------------

    def finish(self) -> None:
        """All is told; then all is at rest; then a quote leads to what was wanted, and no more."""
        self._all_told()
        self.world.settle()
        self._at_rest()
        wanted = Ladder(ladder(Side.BID, [(1, 0), (2, 1)]), ladder(Side.ASK, [(2, 2), (1, 3)]))
        for _ in range(2):  # the first may have had to make room
            self.world.quote(wanted)
            self.world.drain()
            self.check()
            self.world.wait(NS_PER_S)  # what was replaced is let go
        assert not self.world.quote(wanted), "the same quote asks for something again"
        self._at_rest()

    def _all_told(self) -> None:
        """Once every word has arrived the orders are right by themselves, before any audit."""
        world = self.world
        world.venue.still = False
        if not world.state.link_up:
            world.begin_reconnect()
        for _ in range(8):
            if self.swept and any(not order.ended for order in world.state.orders):
                world.cancel_all()  # as a halted engine does until nothing rests
            world.drain()
            world.wait(NS_PER_S)
        world.state.expire(world.clock.ts)
        if self.stilled:
            return
        assert not [order.cloid for order in world.state.orders if order.busy], "busy without cause"
        self._agreed()

    def _agreed(self) -> None:
        """But for what the venue has cut reduce-only orders to: it does not say so."""
        resting = self.world.venue.resting
        venue = {(one.cloid, one.oid, one.price, one.size - one.filled) for one in resting}
        assert self.world.live_orders() == venue, "tracked is not what rests"
        for side in SIDES:
            most = sum((one.size - one.filled for one in resting if one.side is side), ZERO)
            most += self._cut(side)
            assert self.world.state.orders.worst_case(side) == most, "a doubt without end"

    def _cut(self, side: Side) -> Decimal:
        """Of such orders that filled at less: it counts until two audits have not listed them."""
        ours = self.world.state.orders.side(side)
        filled = (one for one in ours if one.ended and one.reduce_only and not one.flatten)
        return sum((one.worst_case for one in filled if one.linger_until is None), ZERO)

    def _at_rest(self) -> None:
        """All three agree, and nobody waits for a word."""
        world, own = self.world, self.world.own
        self._agreed()
        waiting = [order.cloid for order in world.state.orders if order.busy or order.ended]
        assert not waiting, "an order still waits for a word"
        assert {c: r.oid for c, r in own.open.items()} == world.venue_ids(), "the adapter's"
        assert not own.doubts, "still in doubt"
        assert not own.any_in_flight, "still under way"
        assert world.state.pnl.position == world.venue.position, "position is not the venue's"
        assert world.state.mismatch is None, "position differs from the venue's"
