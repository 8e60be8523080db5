"""The operator's door to a running local exchange: its faults, switched from this machine only."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from mm.adapters.hyperliquid.server.mischief import Mischief
from mm.adapters.hyperliquid.server.options import FAULTS, Faults, faults_named

PATH: Final = "/admin/faults"
JSON: Final = "application/json"


class Setting(Struct, forbid_unknown_fields=True):
    """`name`: one of FAULTS. `set`: single faults in its place, all others off."""

    name: str | None = None
    set: Faults | None = None
    drop: bool = False
    """Cut every websocket now."""
    silence: bool = False
    """Make every websocket half-open now."""


class Admin:
    """GET tells what is set and what there is; POST sets it. Both answer with what then holds."""

    def __init__(
        self, mischief: Mischief, drop: Callable[[], int], silence: Callable[[], int]
    ) -> None:
        self._mischief, self._drop, self._silence = mischief, drop, silence

    async def tell(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        return self._told()

    async def switch(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        if request.content_type != JSON:  # a web page elsewhere may not send this type unasked
            raise web.HTTPUnsupportedMediaType(text=f"Content-Type must be {JSON}")
        try:
            asked = msgspec.json.decode(await request.read(), type=Setting)
            faults = asked.set if asked.name is None else faults_named(asked.name)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from None
        if faults is not None:
            self._mischief.faults = faults
        if asked.drop:
            self._drop()
        if asked.silence:
            self._silence()
        return self._told()

    def _told(self) -> web.Response:
        told = {"faults": self._mischief.faults, "names": list(FAULTS)}
        return web.Response(body=msgspec.json.encode(told), content_type=JSON)


def _refuse_strangers(request: web.Request) -> None:
    try:
        near = ip_address(request.remote or "").is_loopback
    except ValueError:
        near = False
    if not near:
        raise web.HTTPForbidden(text="faults are switched from the exchange's own machine only")
