"""`mm record`: live public data to tapes, without an account; what was recorded replays."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import typer
import uvloop

from mm.adapters.hyperliquid.settings import Network, VenueSettings
from mm.app.clock import WallClock
from mm.app.record import Recorded, Recording
from mm.model.units import NS_PER_S

GIGA = 1_000_000_000


def record(
    coins: tuple[str, ...], source: str, out: Path, keep_gb: float, duration_s: float | None
) -> Recorded:
    """Until Ctrl-C, SIGTERM or `duration_s`. `source`: mainnet, testnet, or a venue's address."""
    network: Network = "testnet" if source == "testnet" else "mainnet"
    url = source if source.startswith(("http://", "https://")) else ""
    settings = VenueSettings(network="local" if url else network, coins=coins, base_url=url)
    return uvloop.run(_record(settings, out, int(keep_gb * GIGA), duration_s))


async def _record(
    settings: VenueSettings, out: Path, keep_bytes: int, duration_s: float | None
) -> Recorded:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = WallClock()
    recording = Recording(settings, out, keep_bytes, clock)
    progress = _Progress(clock, duration_s)
    running = asyncio.create_task(recording.run(progress.show))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, stopping):
        task.cancel()
    (ended, _) = await asyncio.gather(running, stopping, return_exceptions=True)
    progress.end()
    if isinstance(ended, Exception):
        raise ended
    return recording.so_far()


class _Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self, clock: WallClock, duration_s: float | None) -> None:
        self._clock = clock
        self._began = clock.now()
        self._of = "" if duration_s is None else f" of {duration_s:.0f}"
        self._on = sys.stderr.isatty()

    def show(self, so_far: Recorded) -> None:
        if self._on:
            spent_s = (self._clock.now() - self._began) / NS_PER_S
            what = f"{so_far.frames:,} frames, {so_far.gaps} gaps"
            trouble = f", {so_far.failure}" if so_far.failure else ""
            typer.echo(f"\r{spent_s:.0f}{self._of} s: {what}{trouble}\x1b[K", nl=False, err=True)

    def end(self) -> None:
        if self._on:
            typer.echo("", err=True)


def show(done: Recorded, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(done).decode())
        return
    typer.echo(f"{done.frames:,} frames, {done.gaps} gaps, in {done.directory}")
    if done.dropped:
        typer.echo(f"{done.dropped:,} frames were not written: {done.failure or 'slow disk'}")
