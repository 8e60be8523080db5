"""What a seed decides before a run begins: market, wire, and which faults come when."""

import math
from collections.abc import Iterator
from random import Random
from typing import Final

from msgspec import Struct

from mm.model.units import NS_PER_S, Ns

COINS: Final = ("BTC", "ETH", "SOL")
GROSS: Final = ("portfolio.max_gross_usd=3000", "portfolio.max_gross_usd=3500")
LOSING: Final = 0.4
"""Share of the runs that may lose no more than one of these fractions of their equity."""
LOSSES: Final = ("0.00001", "0.00003")
MIDNIGHT_S: Final = 1_800_057_600
"""A midnight in UTC; runs begin a little before it, a full hour, or neither."""

AHEAD_S: Final = (5.0, 90.0)
DRIFT_PPM: Final = (2_000, 50_000)
"""A quartz without NTP is off by 200 within days; in the two minutes of a run it takes 50,000 to
come to more than an expiry."""

COMPANY: Final = 0.35
"""Share of the faults on which another follows, `SOON_S` later in the mean: while the first is
being dealt with, in a halt or a pause, in an orderly end, in a start."""
SOON_S: Final = 1.0
OPENING_S: Final = 3.0


class Plan(Struct, frozen=True, kw_only=True):
    """One run."""

    seed: int
    scenario: str
    speed: float
    coins: tuple[str, ...]
    latency_s: tuple[float, float]
    jitter_s: float
    start_ns: Ns
    dead_man: bool
    """Does the venue let this account arm a dead-man switch?"""
    opening: tuple[tuple[float, str], ...]
    """(seconds after the daemon's first start, name): what befalls it before it quotes."""
    faults: tuple[tuple[float, str], ...]
    """(Seconds after the first quote, name)."""
    busy_s: float
    """How long faults may come."""
    settings: tuple[str, ...]
    ahead_ns: Ns = 0
    """By how much the clock of the daemon's machine is wrong from the start."""
    drift_ppm: int = 0
    """By how much it is too fast."""

    @property
    def may_lose(self) -> bool:
        """Is the limit on losses so low that ordinary ones reach it?"""
        return any(one.startswith("risk.max_drawdown_fraction=") for one in self.settings)

    def number(self, name: str) -> float:
        """This setting; 0: the plan does not set it."""
        found = [one for one in self.settings if one.startswith(f"{name}=")]
        return float(found[0].partition("=")[2]) if found else 0.0


def draw(seed: int, names: tuple[str, ...], busy_s: float = 60.0, least: int = 3) -> Plan:
    """The plan of this seed: at least so many of these faults, and seldom many more."""
    random = Random(f"{seed} plan")
    count = least + min(9, int(random.expovariate(0.5)))
    chosen = [(random.uniform(0.0, busy_s), random.choice(names)) for _ in range(count)]
    alone = list(chosen)
    chosen += [
        (min(busy_s, at_s + random.expovariate(1.0 / SOON_S)), random.choice(names))
        for at_s, _ in alone
        if random.random() < COMPANY
    ]
    early = random.choice((0, 0, 0, 1, 2))
    base_s = math.exp(random.uniform(math.log(0.001), math.log(0.15)))
    coins = random.choice((COINS[:1], COINS[:1], COINS[:2], COINS))
    start_s = MIDNIGHT_S + random.choice((0, 3600, 5400)) - random.uniform(1030.0, 1090.0)
    return Plan(
        seed=seed,
        scenario=random.choice(("liquid", "liquid", "toxic", "jumpy", "trending", "thin")),
        speed=random.choice((2.0, 5.0, 10.0)),
        coins=coins,
        latency_s=(base_s, base_s * random.uniform(0.5, 2.0)),
        jitter_s=base_s * random.choice((0.05, 0.3, 1.0)),
        start_ns=round(start_s * NS_PER_S),
        dead_man=random.random() < 0.5,
        opening=tuple(
            sorted((random.uniform(0.0, OPENING_S), random.choice(names)) for _ in range(early))
        ),
        faults=tuple(sorted(chosen)),
        busy_s=busy_s,
        settings=(
            "stochastic.volatility.max_warmup_s=3",
            "strategy.lot_usd=1000",
            f"strategy.levels={random.choice((1, 3, 5))}",
            f"risk.max_position_usd={random.choice((2_000, 5_000, 10_000))}",
            "risk.max_order_usd=2000",
            f"stochastic.policy={random.choice(('fill_hungry', 'target_rate', 'off'))}",
            "daemon.checkpoint_interval_s=10",
            *(random.sample(GROSS, random.randrange(2)) if len(coins) > 1 else ()),
            *_limits(Random(f"{seed} limits")),
        ),
        **_clock(Random(f"{seed} clock")),
    )


def _clock(random: Random) -> dict[str, int]:
    """Of some runs it is wrong from the start, of some it drifts, of most neither."""
    wrong = random.choice(("", "", "ahead", "drift"))
    sign = random.choice((-1, 1))
    if wrong == "ahead":
        return {"ahead_ns": sign * round(random.uniform(*AHEAD_S) * NS_PER_S)}
    if wrong == "drift":
        return {"drift_ppm": sign * random.randint(*DRIFT_PPM)}
    return {}


def _limits(random: Random) -> Iterator[str]:
    """Some limits are so close that a run reaches them."""
    yield f"risk.max_book_age_s={random.choice((2, 5))}"
    if random.random() < LOSING:
        loss = random.choice(LOSSES)
        yield f"risk.max_daily_loss_fraction={loss}"
        yield f"risk.max_drawdown_fraction={loss}"
