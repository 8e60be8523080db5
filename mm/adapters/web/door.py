"""How many strangers may stand at the door, and for how long: files are for the venue first."""

import asyncio
import logging
from collections.abc import Iterator

from aiohttp import web
from aiohttp.http import HttpProcessingError

MAX_WAITING = 64
"""Connections besides open pages. One more turns out whoever has been heard of least recently, so
that a crowd of half-open connections keeps nobody out who says at once what he wants."""
PATIENCE_S = 30.0
"""For a request with its answer; and for the next one on the same connection."""
BACKLOG = 32
SETTLED_S = 1.0
"""Within this a connection is made, from our first hearing of it."""


class Door:
    """Makes the protocol of each new connection. Without it aiohttp keeps a silent one for an hour,
    and as many as there are file descriptors."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._heard: dict[web.RequestHandler, float] = {}
        """Connection -> when we last heard of it, the least recent first."""

    def __len__(self) -> int:
        return len(self._heard)

    def __iter__(self) -> Iterator[web.RequestHandler]:
        return iter(self._heard)

    def __call__(self) -> web.RequestHandler:
        while len(self._heard) >= MAX_WAITING:
            self._turn_out(next(iter(self._heard)))
        server = self._runner.server
        if server is None:
            raise RuntimeError("connections come after AppRunner.setup")
        visitor = server()
        self._heard[visitor] = _now_s()
        return visitor

    def hear(self, visitor: web.RequestHandler) -> None:
        """It asks something: its time begins anew."""
        if self._heard.pop(visitor, None) is not None:
            self._heard[visitor] = _now_s()

    def admit(self, visitor: web.RequestHandler) -> None:
        """It has become a page: counted and watched elsewhere."""
        self._heard.pop(visitor, None)

    def sweep(self) -> None:
        """Turn out who has taken too long; forget who is gone."""
        now = _now_s()
        for visitor, heard_s in [*self._heard.items()]:
            if now - heard_s > (PATIENCE_S if visitor.connected else SETTLED_S):
                self._turn_out(visitor)

    def _turn_out(self, visitor: web.RequestHandler) -> None:
        del self._heard[visitor]
        if visitor.transport is not None:
            visitor.transport.abort()


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def logger() -> logging.Logger:
    """For aiohttp: our faults only."""
    found = logging.getLogger("mm.web")
    found.addFilter(_is_ours)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    """What is no HTTP, or breaks off, is its sender's doing: answered 400, and no line for it."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)
