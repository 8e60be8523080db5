"""What a seed decides before a run begins: market, wire, and which faults come when."""

import math
from random import Random
from typing import Final

from msgspec import Struct

from mm.model.units import NS_PER_S, Ns

COINS: Final = ("BTC", "ETH", "SOL")
GROSS: Final = ("portfolio.max_gross_usd=3000", "portfolio.max_gross_usd=3500")
MIDNIGHT_S: Final = 1_800_057_600
"""A midnight in UTC; runs begin a little before it, a full hour, or neither."""


class Plan(Struct, frozen=True, kw_only=True):
    """One run. `faults`: (seconds after the first quote, name)."""

    seed: int
    scenario: str
    speed: float
    coins: tuple[str, ...]
    latency_s: tuple[float, float]
    jitter_s: float
    start_ns: Ns
    dead_man: bool
    """Does the venue let this account arm a dead-man switch?"""
    faults: tuple[tuple[float, str], ...]
    busy_s: float
    """How long faults may come."""
    settings: tuple[str, ...]


def draw(seed: int, names: tuple[str, ...], busy_s: float = 60.0, least: int = 3) -> Plan:
    """The plan of this seed: at least so many of these faults, and seldom many more."""
    random = Random(f"{seed} plan")
    count = least + min(9, int(random.expovariate(0.5)))
    chosen = sorted((random.uniform(0.0, busy_s), random.choice(names)) for _ in range(count))
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
        faults=tuple(chosen),
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
        ),
    )
