"""A clock that is, or comes to be, wrong by more than an expiry: we still trade, and cancel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid import skew
from mm.adapters.hyperliquid.nonce import allocator_of
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.hyperliquid.warden import Charge, Warden, WardenError
from mm.model.events import OrderOpened, RejectCode, Rejected
from mm.model.units import NS_PER_MS, NS_PER_S
from mm.sim.admission import KEPT_NONCES
from tests.adapters.hyperliquid.stand import (
    ME,
    PREFIX,
    Probe,
    Stand,
    WallClock,
    bid,
    cloid,
    live,
    running,
    stand,
    until,
)

BEHIND_S = 20
KEY = "0x" + "11" * 32


@given(st.integers(-9000, 9000), st.integers(-9000, 9000), st.integers(0, 9000), st.data())
def test_an_answer_corrects_what_it_refutes_and_nothing_else(
    believed: int, true: int, trip_ms: int, data: st.DataObject
) -> None:
    there_ms = data.draw(st.integers(0, trip_ms))

    found = skew.heard(believed, there_ms + true, 0, trip_ms)

    assert abs(found - true) <= min(abs(believed - true), trip_ms)
    assert found == believed or abs(believed - true) > min(there_ms, trip_ms - there_ms)


@asynccontextmanager
async def suspended(at: Stand, audit_s: float) -> AsyncIterator[tuple[HyperliquidVenue, Probe]]:
    """With one order at rest; then the machine stands still, and our clock with it."""
    probe = Probe()
    ours = HyperliquidVenue(at.settings(audit_s=audit_s), ME, WallClock(), probe.emit, PREFIX)
    async with running(ours) as venue:
        await probe.up()
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        at.clock._ahead += BEHIND_S * NS_PER_S
        yield venue, probe


async def test_after_a_suspension_the_first_refusal_sets_our_idea_of_the_time_right() -> None:
    async with stand() as at, suspended(at, 60.0) as (venue, probe):
        venue.send([bid(2, "99970")])
        await probe.first(Rejected, lambda event: event.code is RejectCode.EXPIRED)
        venue.send([bid(3, "99960")])

        await probe.first(OrderOpened, lambda event: event.cloid == cloid(3))

        assert len(probe.of(Rejected)) == 1


async def test_after_a_suspension_all_is_cancelled_without_a_word_before() -> None:
    async with stand() as at, suspended(at, 60.0) as (venue, _):
        assert await venue.cancel_all() == 0
        assert at.resting() == {}


async def test_each_audit_looks_at_the_venues_clock() -> None:
    async with stand() as at, suspended(at, 0.3) as (venue, probe):
        await probe.until(lambda: venue._seat.skew_ms > (BEHIND_S - 1) * 1000)


async def test_cancel_all_outranks_nonces_of_a_clock_that_was_ahead() -> None:
    async with stand() as at:
        at.place(ME.address, bid(1).side, "99980", "0.01", cloid(1))
        await until(at.resting)
        fill_the_window(at, at.clock.now() // NS_PER_MS + 3_600_000)
        assert await at.venue(Probe()).cancel_all() == 0


# -- the watchdog -------------------------------------------------------------------------------


def fill_the_window(at: Stand, first: int) -> None:
    """As a run whose clock was ahead, or is behind, has left it."""
    at._nonce = first
    for _ in range(KEPT_NONCES):
        at.cancel(ME.address, cloid(99))


def warden(at: Stand, behind_s: int = 0) -> Warden:
    charge = Charge(
        url=at.server.url,
        mainnet=False,
        key=KEY,
        account=ME.address,
        vault=None,
        assets={"BTC": 0},
        dexes=("",),
        prefixes=(cloid(1)[:14],),
        silence_s=3.0,
        expires_s=5.0,
    )
    return Warden(charge, lambda: at.clock.now() // NS_PER_MS - behind_s * 1000)


@pytest.mark.parametrize("behind_s", [0, BEHIND_S, -BEHIND_S])
async def test_the_watchdog_cancels_whatever_its_clock_says(behind_s: int) -> None:
    assert Signer(KEY).address == ME.address
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1)])
            await probe.first(OrderOpened)

        assert await asyncio.to_thread(warden(at, behind_s).sweep) == 1

        await until(lambda: not at.resting())


async def test_an_answer_that_is_no_text_does_not_end_the_watchdog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It tries again, as after any other that it cannot use."""
    async with stand() as at:
        found = warden(at)
        monkeypatch.setattr(found, "_post", lambda *_: b'[{"coin":"\xff"}]')
        with pytest.raises(WardenError, match="unreadable"):
            found.sweep()


async def test_the_watchdog_outranks_the_daemons_nonces() -> None:
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1)])
            await probe.first(OrderOpened)
        ahead_ms = at.clock.now() // NS_PER_MS + 3_600_000
        fill_the_window(at, max(ahead_ms, allocator_of(ME.address).next(0)))
        await asyncio.sleep(0.1)
        found = warden(at)
        with pytest.raises(WardenError, match="nonce too low"):
            await asyncio.to_thread(found.sweep)
        await asyncio.to_thread(found.sweep)
        await until(lambda: not at.resting())
