"""Nonces never repeat, whatever the clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid.nonce import NonceAllocator


@given(st.lists(st.integers(0, 2**45), min_size=1, max_size=200))
def test_strictly_increasing_for_any_clock(times: list[int]) -> None:
    clock = iter(times)
    allocator = NonceAllocator(lambda: next(clock))
    nonces = [allocator.next() for _ in times]
    assert all(a < b for a, b in pairwise(nonces))
    assert all(nonce >= time for nonce, time in zip(nonces, times, strict=True))


def test_ten_thousand_in_one_millisecond_are_distinct_and_near() -> None:
    allocator = NonceAllocator(lambda: 1_700_000_000_000)
    nonces = {allocator.next() for _ in range(10_000)}
    assert len(nonces) == 10_000
    assert max(nonces) < 1_700_000_000_000 + 10_000


def test_it_follows_a_clock_that_moves_on() -> None:
    times = iter([5, 5, 100])
    allocator = NonceAllocator(lambda: next(times))
    assert [allocator.next() for _ in range(3)] == [5, 6, 100]
