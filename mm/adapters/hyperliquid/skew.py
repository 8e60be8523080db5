"""The venue's clock against ours, as its answers tell."""


def heard(skew_ms: int, told_ms: int, asked_ms: int, now_ms: int) -> int:
    """Venue's clock minus ours, ms, once an answer has told `told_ms`.

    It was told between question and answer, both by our clock: `skew_ms` stands unless that shows
    it to be wrong, and then moves no further than it must. So a slow answer does no harm.
    """
    return min(max(skew_ms, told_ms - now_ms), told_ms - asked_ms)
