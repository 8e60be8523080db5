"""How long a message takes one way, for drivers in virtual time."""

import math
from random import Random

from msgspec import Struct


class Lognormal(Struct, frozen=True):
    """Median and spread of the usual delay, above a floor that physics sets."""

    median_ms: float
    log_sd: float
    floor_ms: float = 0.0

    def one_way_ms(self, rng: Random) -> float:
        """Never negative. All randomness is the caller's."""
        return self.floor_ms + self.median_ms * math.exp(rng.gauss(0.0, self.log_sd))
