"""Start, run, leave: the daemon's life from a configuration to nothing resting."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from mm.adapters.hyperliquid.settings import VenueError
from mm.adapters.ledger import LedgerError
from mm.adapters.logs import log
from mm.app.clock import WallClock
from mm.app.config import Config
from mm.app.live import tick
from mm.app.machine import Machine
from mm.app.traders import Trader
from mm.app.watchdog import Watchdog, charge_of
from mm.app.wiring import Wired, assemble

if TYPE_CHECKING:
    from mm.app.exchange import Serving


class Stop(Exception):  # noqa: N818 - an end, not an error
    """The operator or the clock asks the daemon to leave."""


async def run(
    config: Config,
    duration_s: float | None = None,
    machine: Machine | None = None,
    halted: str = "",
) -> int:
    """Run until SIGTERM, SIGINT, SIGHUP, `duration_s` or a failure; returns the exit code.

    `halted`: why it begins halted, "" where only the ledger decides.
    Raises what keeps it from starting (ConfigError, VenueError, LedgerError, ...). After the start
    a failure of any task cancels all own orders, as a signal does, and is the last thing logged.
    """
    in_the_world = machine is None
    machine, stack, stop = machine or Machine(), AsyncExitStack(), _asked_to_stop()
    clock = machine.clock
    try:
        wired = await _assembled(stop, assemble(config, machine, stack, halted))
    except BaseException:
        await stack.aclose()
        raise
    if wired is None:
        await stack.aclose()
        log("info", "daemon", "Stopped by a signal before the start was complete: nothing was sent")
        return 0
    charge = charge_of(config, wired) if in_the_world else None
    watchdog = None if charge is None else Watchdog(charge)
    with machine.settled():
        failure = await _until_stopped(config, wired, watchdog, clock, stop, duration_s)
    orders = _own_orders(wired)
    left = await _leave(wired, clock, failure)
    if watchdog is not None:
        await watchdog.leave(left)
    try:
        await stack.aclose()
    except LedgerError as error:  # its rows could not be written: that is a failure of the run
        failure = failure or error
    _tell_what_rests(wired, orders, left)
    if failure is not None:
        trace = (
            None if isinstance(failure, LedgerError | VenueError) else failure
        )  # they say it all
        log("error", "daemon", f"Stopped by {type(failure).__name__}: {failure}", trace)
    return 1 if failure is not None or left else 0


def _asked_to_stop() -> asyncio.Event:
    """Set by SIGTERM, Ctrl-C and a terminal that closes (unless `nohup` had it ignored)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _assembled(stop: asyncio.Event, start: Coroutine[Any, Any, Wired]) -> Wired | None:
    """None where it was asked to stop first: a venue may keep a start waiting for long."""
    assembling = asyncio.create_task(start)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((assembling, stopping), return_when=asyncio.FIRST_COMPLETED)
        return await assembling if assembling.done() else None
    finally:
        for task in (assembling, stopping):
            task.cancel()
        await asyncio.gather(assembling, stopping, return_exceptions=True)


async def _until_stopped(
    config: Config,
    wired: Wired,
    watchdog: Watchdog | None,
    clock: WallClock,
    stop: asyncio.Event,
    duration_s: float | None,
) -> Exception | None:
    """Run all tasks until one ends; None where that was asked for, else what ended it."""
    period_s = config.strategy.quote_interval_s
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wired.venue.run(), name="venue")
            group.create_task(tick(wired.traders, clock, period_s), name="tick")
            group.create_task(wired.lag.run(), name="loop lag")
            group.create_task(_checkpoints(config, wired, clock), name="checkpoints")
            group.create_task(_wait(stop, duration_s), name="stop")
            if watchdog is not None:
                group.create_task(watchdog.run(), name="watchdog")
            if wired.web is not None:
                group.create_task(wired.web.run(), name="web")
            if wired.serving is not None:
                group.create_task(_exchange_ended(wired.serving), name="exchange")
    except* Stop:
        pass  # told where it was raised, before the link closes
    except* Exception as failed:  # noqa: BLE001 - whatever it is, orders must be cancelled
        failure = _first(failed)
    return failure


async def _wait(stop: asyncio.Event, duration_s: float | None) -> None:
    try:
        async with asyncio.timeout(duration_s):
            await stop.wait()
    except TimeoutError:
        raise _stopping("the given duration is over") from None
    raise _stopping("asked to by a signal")


async def _exchange_ended(serving: "Serving") -> None:
    await serving.wait()
    raise _stopping("the recording has ended")


def _stopping(why: str) -> Stop:
    """Said before any task ends, so that the link's end reads as what it is: a consequence."""
    log("info", "daemon", f"Stopping: {why}")
    return Stop(why)


async def _checkpoints(config: Config, wired: Wired, clock: WallClock) -> None:
    """Estimators to the ledger now and then; a ledger that cannot write ends the daemon."""
    while True:
        await asyncio.sleep(config.daemon.checkpoint_interval_s)
        _checkpoint(wired, clock)
        await wired.ledger.flush()


def _checkpoint(wired: Wired, clock: WallClock) -> None:
    for trader in wired.traders:
        engine, now = trader.runner.engine, clock.now()
        wired.ledger.checkpoint(now, trader.coin, engine.checkpoint())
        pnl = engine.state.pnl
        mark = engine.state.kill.equity.mark(pnl.worth)
        if mark is not None:
            wired.ledger.mark(now, trader.coin, pnl.position, mark)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first real error inside groups of groups."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


# -- leave --------------------------------------------------------------------------------------


async def _leave(wired: Wired, clock: WallClock, failure: Exception | None) -> int:
    """Cancel own orders and verify; keep what was learned. Returns how many still rest."""
    left = 0
    try:
        left = await wired.venue.cancel_all()
    except VenueError as error:
        log("error", "order", f"Leaving: {error}")
        left = max(1, _own_orders(wired))
    try:
        _checkpoint(wired, clock)
        outcome = "stopped" if failure is None else f"failed: {failure}"
        for trader in wired.traders:
            wired.ledger.end_run(clock.now(), trader.run_id, outcome)
    except LedgerError as error:
        log("error", "daemon", f"The end of this run is not in the ledger: {error}")
    for trader in wired.traders:
        _report(trader)
    if wired.serving is not None and wired.serving.tape is not None:
        log("info", "market", "Tape", **msgspec.to_builtins(wired.serving.tape.report))
    return left


def _own_orders(wired: Wired) -> int:
    return sum(len(one.runner.engine.state.orders) for one in wired.traders)


def _tell_what_rests(wired: Wired, orders: int, left: int) -> None:
    """The verdict of the last look at the venue. `orders`: our own when the stop began."""
    if left:
        text = f"Up to {left} own orders may still rest: start again, or cancel them at the venue"
        log("error", "order", text)
        return
    held = {one.coin: str(one.runner.engine.state.pnl.position) for one in wired.traders}
    position = ", ".join(held.values() if len(held) == 1 else map(" ".join, held.items()))
    log("info", "order", "Stopped: nothing rests", orders=orders, resting=0, position=position)


def _report(trader: Trader) -> None:
    view = trader.runner.engine.view()
    log(
        "info",
        "daemon",
        "Session",
        None,
        instrument=trader.coin,
        position=str(view.position.size),
        pnl_usd=f"{view.pnl.total:.4f}",
        **{f"{name}_usd": f"{usd:.4f}" for name, usd in view.pnl.contributions.items()},
        fills=trader.metrics.fills,
        arrivals_in_all=view.calibration.fill_count,
        calibrated=view.calibration.complete,
    )
