"""Waiting can be ended at any moment."""

import asyncio

import pytest

from mm.adapters.hyperliquid.timers import doze


@pytest.mark.parametrize("later", range(5))
async def test_a_doze_that_is_cancelled_as_its_alarm_rings_ends(later: int) -> None:
    """It forgot the cancellation and dozed on: the daemon, asked to stop, stayed for ever."""
    alarm = asyncio.Event()

    async def again_and_again() -> None:
        while True:
            await doze(alarm, 60.0)

    task = asyncio.create_task(again_and_again())
    await _turns(3)
    alarm.set()
    await _turns(later)
    task.cancel()
    await _turns(5)
    assert task.cancelled()


async def test_an_alarm_that_rang_is_quiet_afterwards() -> None:
    alarm = asyncio.Event()
    alarm.set()
    await doze(alarm, 60.0)
    assert not alarm.is_set()
    await doze(alarm, 0.0)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
