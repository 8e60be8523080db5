"""Shares of a lot with a given entropy, in whole steps (docs/model.md, The ladder)."""

import math
from collections.abc import Sequence

TOLERANCE = 1e-8
SOLVED = 1e-6
"""Nats: closer than any allocation in whole steps can follow."""


def entropy(sizes: Sequence[float]) -> float:
    """Shannon entropy in nats of sizes taken as shares; 0 of nothing."""
    total = math.fsum(sizes)
    if not total > 0.0:
        return 0.0
    spread = math.fsum([size * math.log(size) for size in sizes if size > 0])
    return max(math.log(total) - spread / total, 0.0)


def shares(utilities: Sequence[float], ratio: float) -> list[float]:
    """p = softmax(u/T), u scaled to [0,1], T such that H(p) = ratio·ln n.

    Solved for β = 1/T by Newton inside a bracket: H falls in β from ln n, at first like
    ln n - β²·Var(u)/2. Equal utilities give equal shares.
    """
    n = len(utilities)
    low, high = min(utilities), max(utilities)
    if n == 1 or not high > low:
        return [1.0 / n] * n
    scaled = [(u - low) / (high - low) for u in utilities]
    target = ratio * math.log(n)
    mean = math.fsum(scaled) / n
    variance = math.fsum([u * u for u in scaled]) / n - mean * mean
    beta = math.sqrt(2.0 * (1.0 - ratio) * math.log(n) / variance)
    below, above = 0.0, math.inf
    for _ in range(80):
        weights, total, gap, slope = _at(scaled, beta, target)
        if abs(gap) <= SOLVED or (gap > 0.0 and beta > 1e9):  # several are best alike
            break
        below, above = (beta, above) if gap > 0 else (below, beta)
        step = beta - gap / slope if slope < 0 else math.inf
        fallback = 2.0 * beta if above == math.inf else 0.5 * (below + above)
        beta = step if below < step < above and step < 4.0 * beta else fallback
    else:
        weights, total, _, _ = _at(scaled, beta, target)
    return [w / total for w in weights]


def _at(scaled: list[float], beta: float, target: float) -> tuple[list[float], float, float, float]:
    """Weights e^(β(u-1)), their total, and of the shares: H - target, dH/dβ = -β·Var_p(u)."""
    total = first = second = 0.0
    weights = []
    for u in scaled:
        w = math.exp(beta * (u - 1.0))
        weights.append(w)
        total += w
        first += w * u
        second += w * u * u
    mean = first / total
    spread = second / total - mean * mean
    h = math.log(total) + beta * (1.0 - mean)
    return weights, total, h - target, -beta * spread


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
    """Levels that would fall below their minimum are pinned to it; the rest share what is left."""
    count = range(len(wanted))
    free = list(count)
    exact = [steps * share for share in wanted]
    while low := [i for i in free if exact[i] < minimum[i]]:
        for i in low:
            exact[i] = float(minimum[i])
        free = [i for i in free if i not in low]
        left = steps - math.fsum(exact[i] for i in count if i not in free)
        weight = math.fsum(wanted[i] for i in free)
        for i in free:
            exact[i] = left * wanted[i] / weight
    sizes = [int(value) for value in exact]
    ranked = sorted(free or count, key=lambda i: (sizes[i] - exact[i], i))
    for k in range(steps - sum(sizes)):
        sizes[ranked[k % len(ranked)]] += 1
    return sizes
