"""Nonces never repeat, whatever the clock does."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid.nonce import NonceAllocator, allocator_of, forget_all
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Cancel
from mm.model.events import OrderOpened, RejectCode, Rejected
from mm.model.units import NS_PER_S, Ns
from mm.sim.admission import KEPT_NONCES
from tests.adapters.hyperliquid.stand import (
    ME,
    PREFIX,
    Probe,
    Stand,
    WallClock,
    bid,
    cloid,
    running,
    stand,
)

HOUR_NS: Ns = 3600 * NS_PER_S


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


def venue_with_clock(at: Stand, probe: Probe, ahead: Ns) -> HyperliquidVenue:
    return HyperliquidVenue(at.settings(), ME, WallClock(ahead), probe.emit, PREFIX)


@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, -2), (-2, 2), (20, -20)])
async def test_a_clock_set_right_between_two_runs_refuses_nobody(before: int, after: int) -> None:
    """Hours ahead of the venue: a run fills the window of kept nonces, and the next still acts."""
    async with stand() as at:
        first = Probe()
        async with running(venue_with_clock(at, first, before * HOUR_NS)) as venue:
            await first.up()
            for number in range(10 * KEPT_NONCES):  # on a busy machine some are lost in a timeout
                if len(first.of(Rejected)) > KEPT_NONCES:
                    break
                venue.send([Cancel(cloid(number, run=2))])
                await asyncio.sleep(0.002)
            await first.until(lambda: len(first.of(Rejected)) > KEPT_NONCES)
            assert {event.code for event in first.of(Rejected)} == {RejectCode.NOT_OPEN}
        forget_all()
        second = Probe()
        async with running(venue_with_clock(at, second, after * HOUR_NS)) as venue:
            await second.up()
            venue.send([bid(1)])
            await second.first(OrderOpened)
            assert not second.of(Rejected)
