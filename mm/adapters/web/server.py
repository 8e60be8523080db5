"""The daemon's HTTP face: live page, metrics, health, state, its stream, and three commands."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from mm.adapters.logs import printable
from mm.adapters.metrics import Metrics, render
from mm.adapters.web.auth import (
    MIN_TOKEN,
    WebError,
    bearer_matches,
    host_allowed,
    is_loopback,
    load_or_create_token,
    same_origin,
)
from mm.adapters.web.door import BACKLOG, Door, logger
from mm.adapters.web.face import Face, Source
from mm.adapters.web.stream import Client, encode

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "mm",
}
MAX_BODY_BYTES = 4096
PERIOD_S = 0.25
MAX_LOOP_LAG_S = 2.0
STOP_S = 0.5
"""A page that does not say goodbye is cut off: the daemon has orders to cancel."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebOptions(Struct, frozen=True, kw_only=True):
    """`token` "": generated at `token_path`, and then only a loopback `host` is accepted.

    `hosts`: names, besides localhost and any address, under which clients may reach us.
    """

    token_path: Path
    token: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()


class NoSuchInstrument(web.HTTPNotFound):
    """The daemon quotes others; the reason lists them."""


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """`instrument` "": all of them."""

    reason: str = ""
    instrument: str = ""


class HaltOrder(Order, frozen=True, forbid_unknown_fields=True):
    flatten: bool = False


class WebServer:
    """`await start()`, then `run()` in the daemon's task group, `await stop()` at the end.

    It shows the instrument of `source` and those that are `add`ed, each fed through its face.
    """

    def __init__(self, source: Source, metrics: Metrics, options: WebOptions) -> None:
        self.options = options
        self.token = _token(options)
        self.port = options.port
        self.face = Face(source, metrics)
        self._faces = {metrics.instrument: self.face}
        self.hub = self.face.hub
        self.on_fill, self.on_note = self.face.on_fill, self.face.on_note
        self._hosts = frozenset(name.lower() for name in options.hosts)
        self._static = {file.name: file.read_bytes() for file in STATIC.iterdir()}
        self._runner = web.AppRunner(
            self._app(), access_log=None, logger=logger(), shutdown_timeout=STOP_S
        )
        self._door = Door(self._runner)
        self._listener: asyncio.Server | None = None

    def add(self, source: Source, metrics: Metrics) -> Face:
        """A further instrument of this daemon."""
        face = self._faces[metrics.instrument] = Face(source, metrics)
        return face

    @property
    def instruments(self) -> tuple[str, ...]:
        return tuple(self._faces)

    @property
    def url(self) -> str:
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises WebError where the address cannot be had. Port 0: any, see `port`."""
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._door, self.options.host, self.options.port, backlog=BACKLOG
            )
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self.options.host}:{self.options.port}"
            why = os.strerror(error.errno).lower() if error.errno else error
            raise WebError(f"cannot listen on {where}, {why}: set web.port or web.host") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def run(self) -> None:
        """Sample and publish until cancelled."""
        while True:
            self.beat()
            self._door.sweep()
            await asyncio.sleep(PERIOD_S)

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*(face.hub.close(STOP_S) for face in self._faces.values()))
        await self._runner.cleanup()

    def beat(self) -> None:
        """One sample of each instrument."""
        for face in self._faces.values():
            face.beat(self.instruments)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_explain, self._guard], client_max_size=MAX_BODY_BYTES)
        app.on_response_prepare.append(_secure)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/static/{name}", self._asset),
                web.get("/metrics", self._get_metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/api/state", self._get_state),
                web.get("/api/stream", self._stream),
                web.post("/api/{verb:pause|resume|halt}", self._command),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Host on every request, Origin on all that a foreign page could misuse, token on POST."""
        self._door.hear(request.protocol)
        if not host_allowed(request.headers.get("Host", ""), self._hosts):
            return _refuse(421, "host not allowed: use an address, localhost, or set web.hosts")
        changes = request.method not in ("GET", "HEAD")
        if (changes or request.path == "/api/stream") and not same_origin(
            request.headers.get("Origin"), request.headers.get("Host", "")
        ):
            return _refuse(403, "origin not allowed")
        if changes and not bearer_matches(request.headers.get("Authorization"), self.token):
            answer = _refuse(401, "token missing or wrong: send Authorization: Bearer <token>")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._static["index.html"], content_type="text/html")

    async def _asset(self, request: web.Request) -> web.Response:
        body = self._static.get(request.match_info["name"])
        if body is None:
            raise web.HTTPNotFound
        suffix = Path(request.match_info["name"]).suffix
        return web.Response(body=body, content_type=CONTENT_TYPES.get(suffix, "text/plain"))

    async def _get_metrics(self, request: web.Request) -> web.Response:
        for face in self._faces.values():
            face.measure()
        kind = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        body = render([face.metrics for face in self._faces.values()])
        return web.Response(body=body, headers=kind)

    async def _healthz(self, request: web.Request) -> web.Response:
        lag_s = self.face.source.health().loop_lag_s
        if lag_s > MAX_LOOP_LAG_S:
            return web.Response(status=503, text=f"event loop late by {lag_s:.1f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        """Of several instruments all must be, and what is said names the one that is not."""
        verdicts = {face.instrument: face.source.ready() for face in self._faces.values()}
        reasons = {name: why or "not ready" for name, (ready, why) in verdicts.items() if not ready}
        several = len(verdicts) > 1
        words = (f"{name}: {why}" if several else why for name, why in reasons.items())
        text = printable("; ".join(words)) or "ready"
        return web.Response(status=503 if reasons else 200, text=f"{text}\n")

    def _asked(self, name: str) -> Face:
        """The face of that instrument, or the first. Raises NoSuchInstrument."""
        face = self._faces.get(name) if name else self.face
        if face is None:
            known = ", ".join(self._faces)
            raise NoSuchInstrument(reason=f"no instrument {name[:40]!a} here: {known}")
        return face

    async def _get_state(self, request: web.Request) -> web.Response:
        face = self._asked(request.query.get("instrument", ""))
        body = encode(face.state(self.instruments))
        return web.Response(body=body, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        face = self._asked(request.query.get("instrument", ""))
        if face.hub.full:
            return _refuse(503, "too many pages are open")
        socket = web.WebSocketResponse(
            heartbeat=20.0, max_msg_size=MAX_BODY_BYTES, compress=False, timeout=STOP_S
        )
        try:
            await socket.prepare(request)
        except ValueError:  # aiohttp trips over a key of bytes that are no text
            return _refuse(400, "no websocket's key")
        self._door.admit(request.protocol)
        if request.transport is not None:  # None: gone already
            face.beat(self.instruments)  # so that what is in the backlog is not sent again
            client = Client(socket, request.transport.abort)
            await face.hub.serve(client, encode(face.backlog(self.instruments)).decode())
        return socket

    async def _command(self, request: web.Request) -> web.Response:
        verb, body = request.match_info["verb"], await request.read() or b"{}"
        try:
            kind = HaltOrder if verb == "halt" else Order
            wish = msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _refuse(400, str(error))
        if isinstance(wish, HaltOrder) and wish.flatten:
            verb = "flatten"
        chosen = [self._asked(wish.instrument)] if wish.instrument else [*self._faces.values()]
        failed: Exception | None = None
        for face in chosen:
            try:
                face.source.command(verb, wish.reason)
            except Exception as error:  # noqa: BLE001 - a halt must not end with one: all hear it
                failed = failed or error
        if failed is not None:
            raise failed
        return web.json_response({"accepted": verb}, status=202)


def _token(options: WebOptions) -> str:
    if options.token:
        if len(options.token) < MIN_TOKEN:
            raise WebError(f"web.token is too short: use at least {MIN_TOKEN} characters")
        return options.token
    if not is_loopback(options.host):
        raise WebError(f"web.host {options.host} is not loopback: set web.token, or use 127.0.0.1")
    return load_or_create_token(options.token_path)


def _refuse(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A refusal of the framework (404, 405, 413) reads like our own."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        own = isinstance(error, NoSuchInstrument)
        answer = _refuse(error.status, error.reason if own else error.reason.lower())
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
