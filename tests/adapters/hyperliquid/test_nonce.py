"""Nonces never repeat, whatever the clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid.nonce import NonceAllocator, allocator_of


@given(st.lists(st.integers(0, 2**45), min_size=1, max_size=200))
def test_strictly_increasing_for_any_clock(times: list[int]) -> None:
    allocator = NonceAllocator()
    nonces = [allocator.next(now_ms) for now_ms in times]
    assert all(a < b for a, b in pairwise(nonces))
    assert all(nonce >= time for nonce, time in zip(nonces, times, strict=True))


def test_ten_thousand_in_one_millisecond_are_distinct_and_near() -> None:
    allocator = NonceAllocator()
    nonces = {allocator.next(1_700_000_000_000) for _ in range(10_000)}
    assert len(nonces) == 10_000
    assert max(nonces) < 1_700_000_000_000 + 10_000


def test_it_follows_a_clock_that_moves_on() -> None:
    allocator = NonceAllocator()
    assert [allocator.next(now_ms) for now_ms in (5, 5, 100)] == [5, 6, 100]


def test_all_that_sign_with_one_key_share_one_allocator() -> None:
    assert allocator_of("0x" + "Ab" * 20) is allocator_of("0x" + "aB" * 20)
    assert allocator_of("0x" + "ab" * 20) is not allocator_of("0x" + "cd" * 20)
