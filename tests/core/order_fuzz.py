"""Order life cycles without end: a plain seeded driver of the same rules as the state machine.

`python -m tests.core.order_fuzz RUNS [FIRST]` runs that many seeds and counts the client ids
that lived; for a failing one it prints the command that replays it. Hypothesis shrinks, this is
fast.
"""

import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random

from mm.core.orders import OrderState
from mm.model.units import NS_PER_MS, NS_PER_S
from tests.core.order_world import World
from tests.core.test_order_machine import ENDS, FATES, OrderLife, Rows

STEPS = 200
WEIGHTS = {
    "quote": 20, "execute": 25, "answer": 20, "update": 15, "fill": 10, "take": 15, "end": 4,
    "lose": 5, "wait": 12, "cancel_all": 1, "disconnect": 1, "reconnect": 4, "audit": 4,
    "resolve": 5, "step": 20,
}  # fmt: skip
WAITS_MS = (60, 60, 300, 600, 2500, 7000, 16000)


class Driver:
    """One seed: each step does one thing that may happen now, then checks every invariant."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.life = OrderLife()
        self.world: World = self.life.world
        self.told: list[str] = []
        scale = self.random.choice
        self._weights = {name: weight * scale((0.2, 1, 1, 3)) for name, weight in WEIGHTS.items()}

    def run(self, steps: int = STEPS) -> int:
        """How many client ids lived, from place to gone. Raises AssertionError."""
        for _ in range(steps):
            able = self._acts()
            (name,) = self.random.choices(list(able), [self._weights[name] for name in able])
            self.told.append(f"{self.world.clock.ts / NS_PER_S:.3f} {name}")
            able[name]()
            self._check()
        self.told.append("all told")
        if not any(line.endswith("cancel_all") for line in self.told):
            self._all_told()  # a sweep that failed is repaired by the next one, or by an audit
        self.told.append("at rest")
        self.life.teardown()
        return len(self.world.levels)

    def _all_told(self) -> None:
        """Once every word has arrived the orders are right by themselves, before any audit."""
        world = self.world
        if not world.state.link_up:
            world.begin_reconnect()
        for _ in range(8):
            world.drain()
            world.wait(NS_PER_S)
        world.state.expire(world.clock.ts)
        if any(order.state is OrderState.UNKNOWN for order in world.state.orders):
            return  # rare: the adapter knows, the core waits for an audit
        assert not [order.cloid for order in world.state.orders if order.busy]
        resting = {(one.cloid, one.oid, one.price, one.remaining) for one in world.venue.resting}
        assert world.live_orders() == resting

    def _check(self) -> None:
        self.life.position_is_the_sum_of_fills_told()
        self.life.nothing_that_may_trade_is_forgotten()
        self.life.the_limit_holds_whatever_fills()
        self.life.no_level_has_two_orders_at_the_venue()
        self.life.nothing_fills_beyond_its_size()

    def _acts(self) -> dict[str, Callable[[], object]]:
        """What can happen now."""
        world, life, random, at = self.world, self.life, self.random, self.random.randrange(8)
        size = Decimal(random.randint(1, 4))
        acts: dict[str, Callable[[], object]] = self._words() | {
            "quote": lambda: life.quote(self._rows(), self._rows()),
            "wait": lambda: world.wait(random.choice(WAITS_MS) * NS_PER_MS),
            "cancel_all": world.cancel_all,
            "resolve": lambda: world.start("resolve"),
        }
        if world.venue.resting:
            acts["take"] = lambda: life.take(at, size)
            acts["end"] = lambda: life.end(at, random.choice(ENDS))
        if world.tasks:
            acts["step"] = lambda: life.step(at, random.randint(1, 6), random.random() < 0.1)
        if world.state.link_up:
            acts |= {"disconnect": world.disconnect, "audit": lambda: world.start("audit")}
        else:
            acts["reconnect"] = world.begin_reconnect
        return acts

    def _words(self) -> dict[str, Callable[[], object]]:
        """What the wire may do: execute, answer, lose, tell."""
        world, life, random, at = self.world, self.life, self.random, self.random.randrange(8)
        acts: dict[str, Callable[[], object]] = {}
        if any(flight.answer is None for flight in world.flights):
            acts["execute"] = lambda: life.execute(at, random.choice(FATES))
        if any(flight.awaited for flight in world.flights):
            acts["lose"] = lambda: life.lose(at)
        if any(flight.awaited and flight.answer for flight in world.flights):
            acts["answer"] = lambda: life.answer(at)
        if world.venue.updates:
            acts["update"] = world.next_update
        if world.venue.fill_words:
            acts["fill"] = lambda: world.next_fill(again=random.random() < 0.2)
        return acts

    def _rows(self) -> Rows:
        random = self.random
        count = random.choice((0, 1, 1, 2))
        return [(Decimal(random.randint(1, 4)), Decimal(random.randint(0, 4)))] * count


def fuzz(seeds: range) -> tuple[int, dict[int, str]]:
    """Orders that lived, and what broke, by seed."""
    lives, broken = 0, {}
    for seed in seeds:
        driver = Driver(seed)
        try:
            lives += driver.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, this seed has found it
            broken[seed] = f"{type(error).__name__}: {error}".splitlines()[0]
    return lives, broken


def main(arguments: list[str]) -> int:
    runs, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    lives, broken = fuzz(range(first, first + runs))
    print(f"runs {runs}, life cycles {lives}, broken {len(broken)}")  # noqa: T201 - a command
    for what, count in Counter(broken.values()).most_common():
        seed = next(seed for seed, words in broken.items() if words == what)
        again = f"python -m tests.core.order_fuzz 1 {seed}"
        print(f"{count} x {what}; again: {again}")  # noqa: T201 - a command
    if len(broken) == 1 == runs:
        driver = Driver(first)
        try:
            driver.run()
        finally:
            print("\n".join(driver.told))  # noqa: T201 - a command
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
