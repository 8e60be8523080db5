"""When something is done: again and again, whenever it is due, or after a while."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


async def every(period_s: float, act: Callable[[], Awaitable[None]]) -> None:
    """Call `act` again and again, `period_s` after it last ended."""
    while True:
        await asyncio.sleep(period_s)
        await act()


async def when(
    due: asyncio.Event, act: Callable[[], Awaitable[None]], pause_s: float = 0.0
) -> None:
    """Call `act` whenever it is due, and not again within `pause_s`."""
    while True:
        await due.wait()
        due.clear()
        await act()
        await asyncio.sleep(pause_s)


async def doze(alarm: asyncio.Event, most_s: float) -> None:
    """Until it rings, or for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(most_s):  # `wait_for` forgets a cancellation as it rings
            await alarm.wait()
    alarm.clear()
