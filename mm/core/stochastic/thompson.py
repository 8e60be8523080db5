"""Thompson's draws of (κ, A), one per change of belief (docs/model.md, Thompson sampling)."""

import math
from random import Random

from mm.core.stochastic.intensity import Posterior
from mm.model.units import Ns, nanoseconds

Draw = tuple[float, float]
"""κ in 1/bps, A in 1/s."""


class ThompsonSampler:
    """Keeps its draw until a new arrival or `resample_s`: drawing each cycle would be churn.

    The generator of draw i is seeded by (seed, i), so (seed, i) is all there is to save.
    """

    __slots__ = ("_arrivals", "_drawn_at", "_held", "_lifetime", "_seed", "draws")

    def __init__(self, seed: int, resample_s: float) -> None:
        self._seed = seed
        self._lifetime = nanoseconds(resample_s)
        self._held: Draw | None = None
        self._drawn_at: Ns = 0
        self._arrivals = 0
        self.draws = 0

    def draw(self, ts: Ns, posterior: Posterior, arrivals: int) -> Draw:
        """The draw in force; `arrivals` is the count that the posterior has learned from."""
        stale = arrivals != self._arrivals or ts - self._drawn_at >= self._lifetime
        if self._held is None or stale:
            random = Random(f"{self._seed}:{self.draws}")  # noqa: S311  # no secret: a draw
            self._held = sample(posterior, random)
            self._drawn_at = ts
            self._arrivals = arrivals
            self.draws += 1
        return self._held


def sample(posterior: Posterior, random: Random) -> Draw:
    """κ by inverse transform, then A | κ ~ Gamma."""
    log_kappa = posterior.log_kappa_quantile(random.random())
    arrival = random.gammavariate(posterior.shape, 1.0 / posterior.rate_at(log_kappa))
    return math.exp(log_kappa), max(arrival, 1e-12)
