"""Nonces never repeat, whatever the clock does."""

import asyncio
from collections import Counter
from functools import partial
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid.nonce import NonceAllocator, allocator_of, forget_all
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Cancel
from mm.model.events import OrderOpened, RejectCode, Rejected
from mm.model.units import NS_PER_MS, NS_PER_S, Ns
from mm.sim.admission import KEPT_NONCES
from tests.adapters.hyperliquid.stand import (
    LIMIT_S,
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


def test_it_outranks_what_the_venue_has_kept() -> None:
    allocator = NonceAllocator()
    allocator.next(1_000)
    allocator.outrank(500)
    assert allocator.next(1_000) == 1_001
    allocator.outrank(2_000)
    assert [allocator.next(now_ms) for now_ms in (1_002, 3_000)] == [2_100, 3_000]


@pytest.mark.parametrize("now_ms", [10**12, 10**12 + 1])
def test_no_test_goes_on_from_the_nonces_of_another(now_ms: int) -> None:
    """In whatever order they run."""
    allocator = allocator_of(ME.address)
    assert allocator.next(now_ms) == now_ms
    allocator.next(10**13)


async def fill_the_window(venue: HyperliquidVenue, probe: Probe) -> None:
    """More actions than nonces are kept."""
    numbers = count()
    async with asyncio.timeout(LIMIT_S):
        while (
            len(probe.of(Rejected)) <= KEPT_NONCES
        ):  # on a busy machine some are lost on their way
            venue.send([Cancel(cloid(next(numbers), run=2))])
            await asyncio.sleep(0.002)


async def open_one(venue: HyperliquidVenue, probe: Probe) -> None:
    """On a busy machine an order may expire on its way: then another."""
    async with asyncio.timeout(LIMIT_S):
        for number in count(1):
            refused = len(probe.of(Rejected))
            venue.send([bid(number)])
            await probe.until(partial(opened_or_refused, probe, refused))
            if probe.of(OrderOpened):
                return


def opened_or_refused(probe: Probe, refused: int) -> bool:
    return bool(probe.of(OrderOpened)) or len(probe.of(Rejected)) > refused


def refusals(probe: Probe) -> Counter[RejectCode]:
    return Counter(event.code for event in probe.of(Rejected))


def venue_with_clock(at: Stand, probe: Probe, ahead: Ns) -> HyperliquidVenue:
    return HyperliquidVenue(at.settings(), ME, WallClock(ahead), probe.emit, PREFIX)


@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, -2), (-2, 2), (20, -20)])
async def test_a_clock_set_right_between_two_runs_refuses_nobody(before: int, after: int) -> None:
    """Hours ahead of the venue: a run fills the window of kept nonces, and the next still acts."""
    async with stand() as at:
        first = Probe()
        async with running(venue_with_clock(at, first, before * HOUR_NS)) as venue:
            await first.up()
            await fill_the_window(venue, first)
        forget_all()
        second = Probe()
        async with running(venue_with_clock(at, second, after * HOUR_NS)) as venue:
            await second.up()
            await open_one(venue, second)
        assert RejectCode.NONCE not in refusals(first) | refusals(second)


async def test_nonces_of_a_run_whose_clock_was_ahead_are_outranked() -> None:
    """Its clock was ahead of the venue's by an hour, and it did not know."""
    async with stand() as at:
        first = Probe()
        async with running(at.venue(first)) as venue:
            await first.up()
            allocator_of(ME.address).next(at.clock.now() // NS_PER_MS + 3_600_000)
            await fill_the_window(venue, first)
        forget_all()
        second = Probe()
        async with running(at.venue(second)) as venue:
            await second.up()
            await open_one(venue, second)
        assert refusals(first)[RejectCode.NONCE] == 0
        assert 1 <= refusals(second)[RejectCode.NONCE] <= KEPT_NONCES // 10  # one, if none was lost
