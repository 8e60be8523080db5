"""The whole daemon, ledger, journal, metrics and page included, with clocks on."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from mm.adapters import logs
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.router import Router
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.stream import Stream
from mm.adapters.hyperliquid.wire import FrameDecoder
from mm.app import boot
from mm.app.clock import stopwatch_ns
from mm.app.latency.samples import Samples
from mm.app.latency.setting import WARM_S, Watched, config, replaced
from mm.app.machine import Machine
from mm.app.wiring import Wired
from mm.model.events import Event

ORDER = '"type":"action"'


def measure(url: str, duration_s: float) -> Samples:
    """Run it for so long after the warm-up."""
    watched = Watched()

    def watch(_: Wired) -> None:
        asyncio.get_running_loop().call_later(WARM_S, watched.begin)

    with TemporaryDirectory() as data, watched.engines(), _wire(watched), _pauses(watched):
        settings = config(url, Path(data))
        logs.configure(settings.daemon.log_level, settings.daemon.log_format)
        uvloop.run(boot.run(settings, WARM_S + duration_s, Machine(watch=watch)))
    return watched.end()


@contextmanager
def _wire(watched: Watched) -> Iterator[None]:
    """Clocks where frames come in and orders go out."""
    decoding = [0]

    def decode(inner: Callable[..., Any], *given: object) -> object:
        began = stopwatch_ns()
        frame = inner(*given)
        decoding[0] = stopwatch_ns() - began
        return frame

    def on_frame(inner: Callable[..., Any], router: Router, text: str, ts: int) -> None:
        at = stopwatch_ns()
        watched.counted()
        inner(router, text, ts)
        watched.came(ts, at, decoding[0])

    def sign(inner: Callable[..., Any], *given: object, **more: object) -> object:
        began = stopwatch_ns()
        signature = inner(*given, **more)
        watched.signed(stopwatch_ns() - began)
        return signature

    async def send(inner: Callable[..., Awaitable[None]], stream: Stream, text: str) -> None:
        began = stopwatch_ns()
        await inner(stream, text)
        if ORDER in text[:100]:
            watched.wrote(stopwatch_ns() - began)

    def put(inner: Callable[..., Any], outlet: Outlet, event: Event) -> None:
        before = outlet.conflated
        inner(outlet, event)
        watched.samples.conflated += outlet.conflated - before

    with (
        _around(FrameDecoder, "decode", decode),
        _around(Router, "on_frame", on_frame),
        _around(Signer, "sign", sign),
        _around(Stream, "send", send),
        _around(Outlet, "put", put),
    ):
        yield


@contextmanager
def _around(owner: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:  # noqa: ANN401 - a class
    """Let `by` stand before a method of it, which it is given."""
    inner = vars(owner)[name]
    with replaced(owner, name, lambda *given, **more: by(inner, *given, **more)):
        yield


@contextmanager
def _pauses(watched: Watched) -> Iterator[None]:
    """How long the garbage collector stopped everything."""
    began = 0

    def told(phase: str, _: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = stopwatch_ns()
        else:
            watched.paused(stopwatch_ns() - began)

    gc.callbacks.append(told)
    try:
        yield
    finally:
        gc.callbacks.remove(told)
