"""Requests by REST in virtual time, against a venue that takes everything and says nothing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.app.simulate.host import Host
from mm.app.simulate.loop import SimLoop
from mm.app.simulate.loop import run as run_to_its_end

TIMEOUT_S = 3.0


def asking(story: Callable[[Host, asyncio.Task[object]], Awaitable[None]]) -> None:
    """Run `story` from the moment on in which this process waits for an answer."""
    loop = SimLoop("rest")
    rest = Rest("http://10.0.0.9:9000", TIMEOUT_S, WeightMeter(loop.elapsed_ns, 1_200))

    async def ask() -> object:
        async with rest:
            return await rest.book("BTC")

    async def tell() -> None:
        loop.network.listen(asyncio.Protocol, ("10.0.0.9", 9000))
        host = Host(loop, "maker", "10.0.0.2")
        task = host.start(ask(), "question")
        await asyncio.sleep(1.0)
        await story(host, task)

    run_to_its_end(loop, tell())


def test_no_answer_is_an_error_after_the_timeout() -> None:
    async def wait(_: Host, question: asyncio.Task[object]) -> None:
        await asyncio.sleep(TIMEOUT_S)
        with pytest.raises(RestError, match="cannot be reached: TimeoutError"):
            await question

    asking(wait)


def test_a_stop_that_meets_the_timeout_is_heeded() -> None:
    """As after SIGSTOP, when both are due at once: aiohttp's own timeout told of itself alone, and
    whoever had asked went on for ever."""

    async def stop(host: Host, question: asyncio.Task[object]) -> None:
        host.freeze()
        await asyncio.sleep(2.0 * TIMEOUT_S)
        host.thaw()
        question.cancel()
        await asyncio.wait([question])
        assert question.cancelled()

    asking(stop)
