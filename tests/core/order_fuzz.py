"""Order life cycles without end: a plain seeded driver of the rules in `order_rules`.

`python -m tests.core.order_fuzz LIVES [SEED]` runs seeds from SEED on until that many client ids
have lived. A failing one prints the command that replays it; that one alone prints the fewest of
its steps that still fail, and what they lead to.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from random import Random

from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from mm.model.units import NS_PER_S
from tests.core.order_rules import RULES, SCALES, Life, Step, climate

STEPS = 200


class Outcome(Struct, frozen=True):
    """`lives`: client ids, from place to gone. `broken`: "" or what did not hold."""

    seed: int
    lives: int
    broken: str
    steps: tuple[Step, ...]


def live(seed: int, steps: int = STEPS) -> Outcome:
    """One seed: each step does one thing that may happen now, then checks all that must hold."""
    random, life, done = Random(seed), Life(), []
    own = climate(random.choice(SCALES) for _ in RULES)
    try:
        for _ in range(steps):
            done.append(life.draw(random, own))
            life.do(*done[-1])
        life.finish()
    except Exception as error:  # noqa: BLE001 - whatever it is, this seed has found it
        life.world.close()
        return Outcome(seed, len(life.world.levels), _words(error), tuple(done))
    return Outcome(seed, len(life.world.levels), "", ())


def replay(steps: tuple[Step, ...], lines: list[str] | None = None) -> str:
    """What these steps break, or ""; `lines` is told what happens."""
    life = Life()
    told = [] if lines is None else lines

    def say(what: object) -> None:
        told.append(f"{(life.world.clock.ts / NS_PER_S) % 10_000:10.3f}  {what}")

    if lines is not None:
        life.world.trace = lambda what: say(f"    {_shown(what)}")
    try:
        for name, arguments in steps:
            say(f"{name}{arguments}")
            life.do(name, arguments)
        say("all told, at rest")
        life.finish()
    except Exception as error:  # noqa: BLE001 - as in `live`
        life.world.close()
        return _words(error)
    return ""


def shrunk(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same failure by fewer steps: none of them can be left out any more."""
    wanted, size = replay(steps), len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if replay(fewer) == wanted:
                steps = fewer
            else:
                at += size
        size //= 2
    return steps


def lived(lives: int, first: int) -> Iterator[Outcome]:
    """Seeds from `first` on, until so many client ids have lived."""
    for seed in count(first):
        outcome = live(seed)
        lives -= outcome.lives
        yield outcome
        if lives <= 0:
            return


def _words(error: Exception) -> str:
    return (f"{type(error).__name__}: {error}".splitlines() or [""])[0]


def _shown(what: object) -> str:
    """Of an event or action, without times, and client ids by their last digits."""
    shown = []
    for field in getattr(what, "__struct_fields__", ()):
        value = getattr(what, field)
        if field == "cloid":
            value = f"…{value[-2:]}"
        elif field == "orders":
            value = [f"…{one.cloid[-2:]}" for one in value]
        if not field.endswith("ts") and field not in ("message", "price_usd", "fee", "equity"):
            shown.append(f"{field}={value}")
    return f"{type(what).__name__}({', '.join(shown)})"


def main(arguments: list[str]) -> int:
    wanted, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1
    began, lives, last, broken = time.process_time(), 0, first, list[Outcome]()
    with suppress(KeyboardInterrupt):  # says how far it came
        for outcome in _shown_of(wanted, lived(wanted, first)):
            lives, last = lives + outcome.lives, outcome.seed
            broken += [outcome] if outcome.broken else []
    each_ms = 1e3 * (time.process_time() - began) / max(1, lives)
    told = f"seeds {first} to {last}, life cycles {lives}, {each_ms:.2f} ms each"
    _say(f"{told}, broken {len(broken)}")
    for what, times in Counter(one.broken for one in broken).most_common():
        seed = next(one.seed for one in broken if one.broken == what)
        _say(f"{times} x {what}; again: make lifecycles N=1 SEED={seed}")
    if first == last and broken:
        lines: list[str] = []
        replay(shrunk(broken[0].steps), lines)
        _say("\n".join(lines))
    return 1 if broken else 0


def _shown_of(wanted: int, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The same, with a progress bar where somebody looks."""
    unseen = not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=unseen) as bar:
        task = bar.add_task("living", total=wanted)
        for outcome in outcomes:
            bar.advance(task, outcome.lives)
            yield outcome


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
