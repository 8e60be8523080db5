"""A busy market on the local exchange, in a process of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import uvloop
from msgspec.structs import replace

from mm.adapters.hyperliquid.server import Cadence, HyperliquidServer, Limits, Options
from mm.app.clock import WallClock
from mm.model.units import NS_PER_MS
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Depth, Scenario, Takers
from mm.sim.scenarios import build_market, preset

SEED = 5
START_S = 30.0
PATIENT = Limits(
    connections_per_min=10**6, weight_per_min=10**9, messages_per_min=10**9, send_queue=100_000
)


def busy() -> Scenario:
    """Ten touches and five prints a second; the full book five times."""
    return replace(
        preset("liquid"),
        name="busy",
        takers=Takers(
            arrival_per_s=2.5, kappa_per_bps=0.25, informed_share=0.2, informed_move_bps=1.0
        ),
        depth=Depth(half_spread_bps=6.0, interval_ms=100.0),
    )


@contextmanager
def market(load: int) -> Iterator[str]:
    """The address of a busy market, `load` times as fast as one, while the block lasts."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, load), daemon=True)
    process.start()
    try:
        if not ours.poll(START_S):
            raise TimeoutError("the local exchange did not start")
        yield str(ours.recv())
    finally:
        process.terminate()
        process.join()


def _main(pipe: Connection, load: int) -> None:
    uvloop.run(_serve(pipe, load))


async def _serve(pipe: Connection, load: int) -> None:
    clock = WallClock()
    now_ms = clock.now() // NS_PER_MS
    options = ExchangeOptions(block_ms=20, enforce_budget=False, seed=SEED)
    exchange = Exchange([build_market(busy(), SEED, now_ms, load)], now_ms, options)
    cadence = Cadence(pump_s=0.02 if load == 1 else 0.001, fast_book_s=max(0.2 / load, 0.005))
    async with HyperliquidServer(exchange, clock, Options(cadence=cadence, limits=PATIENT)) as at:
        pipe.send(at.url)
        await asyncio.Event().wait()
