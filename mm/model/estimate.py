"""A number that says how sure it is and where it comes from."""

from enum import StrEnum

from msgspec import Struct


class Source(StrEnum):
    PRIOR = "prior"
    PUBLIC = "public"
    OWN = "own"
    VENUE = "venue"


class Estimate(Struct, frozen=True, gc=False):
    """`low`..`high` is the central 90 % interval; `n` the (decayed) observations behind `value`."""

    value: float
    low: float
    high: float
    n: float
    source: Source
    age_s: float | None = None
    """Seconds since the last observation; None before the first."""


def told(value: float, source: Source, age_s: float | None) -> Estimate:
    """A number that is not estimated: the venue's own word, or a default until it speaks."""
    return Estimate(value, value, value, float(source is Source.VENUE), source, age_s)
