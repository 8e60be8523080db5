"""The local exchange on a socket: `/ws`, `/info`, `/exchange`, and the pump that drives it."""

import asyncio
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Self

import msgspec
from aiohttp import WSMsgType, web

from mm.adapters.hyperliquid.server import actions, envelope, info
from mm.adapters.hyperliquid.server.actions import Actions
from mm.adapters.hyperliquid.server.admin import PATH as ADMIN
from mm.adapters.hyperliquid.server.admin import Admin
from mm.adapters.hyperliquid.server.answers import refused
from mm.adapters.hyperliquid.server.connection import Connection
from mm.adapters.hyperliquid.server.feeds import Feeds
from mm.adapters.hyperliquid.server.gate import Caller
from mm.adapters.hyperliquid.server.mischief import Mischief
from mm.adapters.hyperliquid.server.options import Clock, Options
from mm.adapters.hyperliquid.server.requests import MalformedError, RefusedActionError
from mm.adapters.hyperliquid.server.session import Session
from mm.adapters.hyperliquid.server.views import Views
from mm.model.exchange import LocalExchange
from mm.model.units import NS_PER_MS, NS_PER_S

_encode = msgspec.json.Encoder().encode

MIN_REST = 0.1  # of the pump's period: a busy market must not starve the loop


class HyperliquidServer:
    """Serves one exchange to any Hyperliquid client. `async with`, or `start` and `stop`."""

    def __init__(
        self, exchange: LocalExchange, clock: Clock, options: Options | None = None
    ) -> None:
        self.options = options or Options()
        self.port = 0
        """The port bound, once started."""
        self.connections: dict[Connection, None] = {}
        self._exchange, self._clock = exchange, clock
        self._views = Views(exchange, clock)
        self.mischief = Mischief(self.options)
        """Its `faults` may be changed at any time."""
        self._actions = Actions(self._views, self.mischief)
        self._feeds = Feeds(self._views, self.options, self.mischief, self._actions.on_answer)
        self._session = Session(self._views, self._feeds, self._actions, self.mischief)
        self._callers: dict[str, Caller] = {}
        self._runner: web.AppRunner | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.options.host}:{self.port}"

    async def start(self) -> int:
        """Bind and begin; returns the port. Raises OSError where the address is taken."""
        app = web.Application(client_max_size=self.options.limits.body_bytes)
        for slash in ("", "/"):  # clients whose base URL ends in a slash ask for //info
            app.router.add_get(f"{slash}/ws", self._on_ws)
            app.router.add_post(f"{slash}/info", self._on_info)
            app.router.add_post(f"{slash}/exchange", self._on_exchange)
        admin = Admin(self.mischief, self.drop_all, self.silence_all)
        app.router.add_get(ADMIN, admin.tell)
        app.router.add_post(ADMIN, admin.switch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.options.host, self.options.port).start()
        except OSError:
            await self.stop()
            raise
        self.port = int(self._runner.addresses[0][1])
        self._pump = asyncio.create_task(self._advance_forever(), name="exchange pump")
        return self.port

    async def stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)  # `wait` tells its failure
        self.drop_all("server stops")
        if self._runner is not None:
            await self._runner.cleanup()

    async def wait(self) -> None:
        """Until the pump ends, which it does only by an exception of the exchange: raised here."""
        if self._pump is not None:
            await asyncio.shield(self._pump)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def drop_all(self, reason: str = "fault") -> int:
        """Cut every websocket without a close frame; returns how many there were."""
        cut = list(self.connections)
        for connection in cut:
            connection.drop(reason)
        return len(cut)

    def silence_all(self) -> int:
        """Make every websocket half-open: it swallows and says nothing until it is cut as idle."""
        for connection in self.connections:
            connection.silent = True
        return len(self.connections)

    # -- the pump -------------------------------------------------------------------------------

    async def _advance_forever(self) -> None:
        """Awake when the exchange has something to do, and often enough to notice new requests."""
        longest = self.options.cadence.pump_s
        while True:
            self.advance()
            due_s = self._exchange.next_ms() / 1e3 - self._clock.now() / NS_PER_S
            await asyncio.sleep(min(longest, max(due_s, longest * MIN_REST)))

    def advance(self) -> None:
        """Let the exchange catch up with the clock and tell everybody what came of it."""
        now = self._clock.now()
        self._feeds.publish(self._exchange.advance(now // NS_PER_MS))
        self._feeds.push_due(now)
        if self.mischief.drops(now):
            self.drop_all()
        if self.mischief.silences(now):
            self.silence_all()
        for connection in list(self.connections):
            connection.drop_if_idle(now, self.mischief.faults.rules.idle_s)

    # -- HTTP -----------------------------------------------------------------------------------

    def _caller(self, request: web.Request) -> Caller:
        address = request.remote or ""
        if address not in self._callers:
            self._callers[address] = Caller(self.options.limits)
        return self._callers[address]

    async def _admitted(self, request: web.Request) -> tuple[bytes, Caller]:
        """The body. Raises HTTPException where limits or faults refuse the request."""
        body = await request.read()
        caller = self._caller(request)
        refusal = self.mischief.refusal()
        if refusal == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise web.HTTPInternalServerError(text="null", content_type="application/json")
        if refusal or caller.weight.is_spent(self._clock.now()):
            raise _too_many()
        return body, caller

    async def _on_info(self, request: web.Request) -> web.Response:
        body, caller = await self._admitted(request)
        try:
            asked = info.decode(body)
            self._actions.learn(asked.user)
            found = self.mischief.recalled(asked.type, info.answer(self._views, asked))
        except MalformedError as error:
            return web.Response(status=422, text=str(error))
        except info.UnanswerableError:
            return web.Response(status=500, text="null", content_type="application/json")
        units = self.mischief.weight(info.weight(asked, found))
        caller.weight.spend(self._clock.now(), units)
        return self._json(found)

    async def _on_exchange(self, request: web.Request) -> web.Response:
        body, caller = await self._admitted(request)
        try:
            signed = envelope.decode(body)
        except MalformedError as error:
            return web.Response(status=422, text=str(error))
        except RefusedActionError as refusal:
            return self._json(refused(str(refusal)))
        units = self.mischief.weight(actions.weight(signed.action))
        caller.weight.spend(self._clock.now(), units)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._actions.submit(signed, partial(_settle, answer))
        reply = await answer
        delay = self.mischief.reply_delay()
        if delay is None and request.transport is not None:
            request.transport.abort()
        elif delay:
            await asyncio.sleep(delay)
        if self.mischief.hides_reply():
            return web.Response(status=502, text="Bad Gateway")
        return self._json(reply)

    def _json(self, value: object) -> web.Response:
        body = self.mischief.garbled(_encode(value))
        return web.Response(body=body, content_type="application/json")

    # -- websocket ------------------------------------------------------------------------------

    async def _on_ws(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        if not caller.connect(self._clock.now()):
            raise _too_many()
        try:
            return await self._serve(request, caller)
        finally:
            caller.connections -= 1

    async def _serve(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        limits = self.options.limits
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=limits.body_bytes, decode_text=False
        )
        with suppress(ConnectionError):
            await socket.prepare(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            return socket
        connection = Connection(socket, transport, self._clock, limits)
        connection.deliveries = self.mischief.deliveries
        self.connections[connection] = None
        writer = asyncio.create_task(connection.write())
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._session.on_frame(connection, caller, message.data, self._clock.now())
        except ConnectionError:  # it went while a pong or the close frame was on its way
            pass
        finally:
            del self.connections[connection]
            self._session.forget(connection, caller)
            connection.dropped = connection.dropped or "peer left"
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket


def _settle(answer: "asyncio.Future[dict[str, Any]]", reply: dict[str, Any]) -> None:
    if not answer.done():  # the client may have gone
        answer.set_result(reply)


def _too_many() -> web.HTTPException:
    return web.HTTPTooManyRequests(text="null", content_type="application/json")
