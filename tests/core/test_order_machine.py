"""Orders in every interleaving of the venue's words: nothing lost, stuck or understated.

The rules are in `order_rules`; the world, and what is assumed of lags, in `order_world`. Here
hypothesis chooses, and shrinks what it finds. More runs: MM_ORDER_RUNS, longer: MM_ORDER_STEPS.
"""

import os
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.core.order_rules import RULES, SCALES, Life, climate


class OrderLife(RuleBasedStateMachine):
    """Each step is one of all that may happen; what must hold is checked after each."""

    @initialize(scales=st.tuples(*(st.sampled_from(SCALES) for _ in RULES)))
    def begin(self, scales: tuple[float, ...]) -> None:
        self.life = Life()
        self.climate = climate(scales)

    @rule(random=st.randoms(use_true_random=False))
    def one(self, random: Random) -> None:
        self.life.do(*self.life.draw(random, self.climate))

    @rule(seed=st.integers(0, 2**32))
    def storm(self, seed: int) -> None:
        """Many things at once: dense where single steps are sparse."""
        random = Random(seed)
        for _ in range(30):
            self.life.do(*self.life.draw(random, self.climate))

    def teardown(self) -> None:
        self.life.finish()


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(
    max_examples=int(os.environ.get("MM_ORDER_RUNS", "60")),
    stateful_step_count=int(os.environ.get("MM_ORDER_STEPS", "30")),
    suppress_health_check=list(HealthCheck),
)
