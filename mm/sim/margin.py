"""Margin by tiers: large positions are granted less leverage and must keep more."""

from typing import TypeAlias

from mm.model.instrument import Instrument

MICRO = 1_000_000

Tiers: TypeAlias = tuple[tuple[int, int], ...]
"""(notional in micro-USD from which, leverage at most), rising; the first from 0."""


def tiers_of(instrument: Instrument) -> Tiers:
    above = sorted(instrument.leverage_tiers)
    return ((0, instrument.max_leverage), *((round(start * MICRO), most) for start, most in above))


def leverage_at(notional: int, tiers: Tiers) -> int:
    """The most that a position of this size may have."""
    return min(most for start, most in tiers if notional >= start)


def maintenance(notional: int, tiers: Tiers) -> int:
    """Micro-USD: each slice at half of the initial margin at its own tier's maximum leverage.

    That is the venue's rate of the tier less its deduction, and rises without a jump.
    """
    total, rest = 0, notional
    for start, most in reversed(tiers):
        if rest > start:
            total += (rest - start) // (2 * most)
            rest = start
    return total


def liquidation_unit(size: int, unit: int, slack: int, tiers: Tiers) -> float | None:
    """Micro-USD per lot at which equity is the maintenance margin, if only this price moves.

    `slack`: equity less maintenance margin now, at `unit`. None: it never comes so far.
    The root of slack + size·(x - unit) - M(|size|·x) + M(|size|·unit), linear within a tier.
    """
    x, now = float(unit), maintenance(abs(size) * unit, tiers)
    for _ in range(len(tiers) + 1):  # by Newton: each step but the last enters another tier
        most = leverage_at(round(abs(size) * x), tiers)
        excess = slack + size * (x - unit) - maintenance(round(abs(size) * x), tiers) + now
        x -= excess / (size - abs(size) / (2 * most))
        if x <= 0:
            return None
    return x
