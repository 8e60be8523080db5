"""Shares of a lot with a given entropy, and whole steps that keep it (`model.md` 7)."""

import math
from collections.abc import Sequence

TOLERANCE = 1e-9


def entropy(sizes: Sequence[float]) -> float:
    """Shannon entropy in nats of sizes taken as shares; 0 of nothing."""
    total = math.fsum(sizes)
    parts = (size / total for size in sizes if size > 0)
    return max(-math.fsum(p * math.log(p) for p in parts), 0.0)


def shares(utilities: Sequence[float], ratio: float) -> list[float]:
    """p = softmax(u/T), u scaled to [0,1], T such that H(p) = ratio·ln n.

    Solved for β = 1/T: H falls in β from ln n. Equal utilities give equal shares.
    """
    n = len(utilities)
    low, high = min(utilities), max(utilities)
    if n == 1 or not high > low:
        return [1.0 / n] * n
    scaled = [(u - low) / (high - low) for u in utilities]
    target = ratio * math.log(n)
    below, above = 0.0, math.inf
    beta = 1.0
    for _ in range(80):
        p, gap, slope = _at(scaled, beta, target)
        if abs(gap) <= TOLERANCE:
            return p
        below, above = (beta, above) if gap > 0 else (below, beta)
        step = beta - gap / slope if slope < 0 else math.inf
        fallback = 2.0 * beta if above == math.inf else 0.5 * (below + above)
        beta = step if below < step < above and step < 4.0 * beta else fallback
        if beta > 1e6:
            break
    return _at(scaled, beta, target)[0]


def _at(scaled: list[float], beta: float, target: float) -> tuple[list[float], float, float]:
    """Shares at β, H - target, and dH/dβ = -β·Var_p(u)."""
    weights = [math.exp(beta * (u - 1.0)) for u in scaled]
    total = math.fsum(weights)
    p = [w / total for w in weights]
    mean = math.fsum(a * u for a, u in zip(p, scaled, strict=True))
    spread = math.fsum(a * u * u for a, u in zip(p, scaled, strict=True)) - mean * mean
    h = math.log(total) + beta * (1.0 - mean)
    return p, h - target, -beta * spread


def allocate(
    wanted: Sequence[float], steps: int, minimum: Sequence[int], ratio: float
) -> list[int]:
    """Whole steps, none below its minimum, by largest remainder; then evened out one by one
    until their entropy is `ratio`·ln n again (or they are as even as the minima allow).

    Needs sum(minimum) <= steps.
    """
    sizes = _largest_remainder(wanted, steps, minimum)
    target = ratio * math.log(len(sizes))
    while entropy(sizes) < target - TOLERANCE:
        order = sorted(range(len(sizes)), key=lambda i: (sizes[i], i))
        smallest = order[0]
        giver = next((i for i in reversed(order) if sizes[i] > minimum[i]), smallest)
        if sizes[giver] - sizes[smallest] <= 1:
            break
        sizes[giver] -= 1
        sizes[smallest] += 1
    return sizes


def _largest_remainder(wanted: Sequence[float], steps: int, minimum: Sequence[int]) -> list[int]:
    free = set(range(len(wanted)))
    while True:
        left = steps - sum(minimum[i] for i in range(len(wanted)) if i not in free)
        weight = math.fsum(wanted[i] for i in sorted(free))
        exact = {i: left * wanted[i] / weight for i in sorted(free)} if weight > 0 else {}
        low = [i for i, value in exact.items() if value < minimum[i]]
        if not low:
            break
        free.difference_update(low)
    sizes = list(minimum)
    for i, value in exact.items():
        sizes[i] = math.floor(value)
    spare = steps - sum(sizes)
    ranked = sorted(exact, key=lambda i: (-(exact[i] - math.floor(exact[i])), i))
    for k in range(spare):
        sizes[ranked[k % len(ranked)] if ranked else k % len(sizes)] += 1
    return sizes
