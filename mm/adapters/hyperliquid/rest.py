"""REST: typed /info questions, and /exchange for when the websocket is down."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from mm.adapters.hyperliquid import answers, encode
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.wire import UNREADABLE, WireBook, WireFill, WireFunding

FILLS_PER_PAGE: Final = 2000
ENDLESS: Final = aiohttp.ClientTimeout(total=None)
"""Ours ends a request: aiohttp's forgets a cancellation that meets it, as after a stall."""
KEEP_ALIVE_S: Final = 2.0
"""Shorter than it takes to notice a half-open websocket: an idle connection of that age may be as
dead, and what goes out by REST then is urgent."""
LEAST_WAIT_S: Final = 0.05
LONG_WAIT_S: Final = 2.0
"""Somebody may wonder what is going on."""
ROWS: Final = 20
"""So many rows of an answer weigh 1."""

T = TypeVar("T")
TOO_MANY: Final = HTTPStatus.TOO_MANY_REQUESTS


class RestError(Exception):
    """No usable answer. `refused`: the venue took the request and turned it down (4xx)."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def refused(self) -> bool:
        return self.status is not None and 400 <= self.status < 500

    @property
    def busy(self) -> bool:
        """The venue is there and asks us to come again."""
        return self.status is not None and (self.status == TOO_MANY or self.status >= 500)


class UnreadableError(RestError):
    """An answer of another shape than ours."""


class Rest:
    """One keep-alive HTTP session, open while anyone is inside `async with`.

    A question waits for the minute's request weight to have room for it; an action does not.
    """

    def __init__(self, url: str, timeout_s: float, meter: WeightMeter) -> None:
        self.url = url
        self.meter = meter
        self.on_wait: Callable[[float], None] = lambda _: None
        """Told the seconds before a question waits for long."""
        self.ask_again: Callable[[RestError], Awaitable[bool]] | None = None
        """Where a question meets 429: waits, and says whether to put it again."""
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._users = 0

    async def __aenter__(self) -> "Rest":
        self._users += 1
        if self._session is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=ENDLESS)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def exchange(self, envelope: dict[str, Any], weight: int = 1) -> bytes:
        """A signed action. RestError that is not `refused`: the outcome is unknown."""
        self.meter.spend(weight)
        return await self._post("/exchange", envelope)

    async def meta(self, dex: str = "") -> answers.Meta:
        return await self._info(_on(dex, {"type": "meta"}), answers.Meta, 20)

    async def dexes(self, *, urgent: bool = False) -> list[str]:
        """Builders' exchanges by their index; the venue's own, "", is the first. `urgent`: waits
        for no weight."""
        body = {"type": "perpDexs"}
        found = await self._info(body, list[answers.Dex | None], 20, urgent=urgent)
        return ["" if dex is None else dex.name for dex in found]

    async def clearinghouse(
        self, user: str, dex: str = "", *, urgent: bool = False
    ) -> answers.Clearinghouse:
        """`urgent`: waits for no weight."""
        body = _on(dex, {"type": "clearinghouseState", "user": user})
        return await self._info(body, answers.Clearinghouse, 2, urgent=urgent)

    async def open_orders(
        self, user: str, dex: str = "", *, urgent: bool = False
    ) -> answers.Orders:
        """`urgent`: to cancel them, which waits for no weight."""
        body = _on(dex, {"type": "frontendOpenOrders", "user": user})
        return await self._info(body, answers.Orders, 20, urgent=urgent)

    async def book(self, coin: str) -> WireBook:
        """Raises RestError for a coin that is not listed, too."""
        return await self._info({"type": "l2Book", "coin": coin}, WireBook, 2)

    async def leverage(self, user: str, coin: str) -> int | None:
        """What the account has set for this coin; None where the venue does not say."""
        body = {"type": "activeAssetData", "user": user, "coin": coin}
        try:
            return (await self._info(body, answers.ActiveAsset, 20)).leverage.value
        except UnreadableError:
            return None
        except RestError as error:
            if error.refused and not error.busy:
                return None
            raise

    async def fills_since(self, user: str, start_ms: int, *, urgent: bool = False) -> answers.Fills:
        """All fills from `start_ms` on, oldest first, over as many pages as it takes. `urgent`: on
        the way out, which waits for no weight."""
        body = {"type": "userFillsByTime", "user": user, "startTime": max(0, start_ms)}
        found: dict[tuple[int, int, int], WireFill] = {}
        while True:
            page = await self._info(body, answers.Fills, 20, urgent=urgent)
            self.meter.spend(len(page) // ROWS)
            known = len(found)
            found.update({(one.time, one.tid, one.oid): one for one in page})
            if len(page) < FILLS_PER_PAGE or len(found) == known:
                return [found[key] for key in sorted(found)]
            body["startTime"] = max(one.time for one in page)

    async def fundings_since(self, user: str, start_ms: int) -> list[WireFunding]:
        body = {"type": "userFunding", "user": user, "startTime": max(0, start_ms)}
        rows = [one.row for one in await self._info(body, list[answers.PaidFunding], 20)]
        self.meter.spend(len(rows) // ROWS)
        return rows

    async def order_status(self, user: str, target: str | int) -> answers.OrderStatus:
        body = {"type": "orderStatus", "user": user, "oid": target}
        return await self._info(body, answers.OrderStatus, 2)

    async def order_statuses(
        self, user: str, targets: Sequence[str]
    ) -> list[answers.OrderStatus | RestError]:
        """Of each, all asked for at once; the error where there was no answer."""
        asked = (self.order_status(user, target) for target in targets)
        found = await asyncio.gather(*asked, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, RestError):
                raise one
        return found  # type: ignore[return-value]  # by now

    async def fees(self, user: str) -> answers.UserFees:
        return await self._info({"type": "userFees", "user": user}, answers.UserFees, 20)

    async def rate_limit(self, user: str) -> answers.RateLimit:
        return await self._info({"type": "userRateLimit", "user": user}, answers.RateLimit, 20)

    async def role(self, user: str) -> answers.UserRole:
        return await self._info({"type": "userRole", "user": user}, answers.UserRole, 60)

    async def extra_agents(self, user: str) -> list[answers.ExtraAgent]:
        """Its named API wallets."""
        body = {"type": "extraAgents", "user": user}
        return await self._info(body, list[answers.ExtraAgent], 20)

    async def account_mode(self, user: str) -> str:
        return await self._info({"type": "userAbstraction", "user": user}, str, 20)

    async def room(self, weight: int) -> None:
        """Until questions of so much weight in all may be asked without waiting."""
        while wait_s := self.meter.wait_s(weight):
            if wait_s > LONG_WAIT_S:
                self.on_wait(wait_s)
            await asyncio.sleep(max(wait_s, LEAST_WAIT_S))

    async def _info(
        self, body: dict[str, Any], kind: type[T], weight: int, *, urgent: bool = False
    ) -> T:
        raw = None
        while raw is None:
            if not urgent:
                await self.room(weight)
            self.meter.spend(weight)
            raw = await self._answer(body)
        try:
            return msgspec.json.decode(raw, type=kind, strict=False)
        except UNREADABLE as error:
            raise UnreadableError(f"{self.url}/info {body['type']}: {error}") from None

    async def _answer(self, body: dict[str, Any]) -> bytes | None:
        """None where it is to be asked again."""
        try:
            return await self._post("/info", body)
        except RestError as error:
            again = self.ask_again if error.status == TOO_MANY else None
            if again is None or not await again(error):
                raise
            return None

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        if self._session is None:
            raise RestError("no HTTP session is open")
        headers = {"Content-Type": "application/json"}
        data = encode.body(body)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(self.url + path, data=data, headers=headers) as reply,
            ):
                raw = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise RestError(f"{self.url} cannot be reached: {reason}") from None
        if reply.status == TOO_MANY:
            self.meter.refused()
        if reply.status >= 400:
            words = raw[:200].decode(errors="replace")
            raise RestError(f"HTTP {reply.status} {words}", status=reply.status)
        return raw


def _on(dex: str, body: dict[str, Any]) -> dict[str, Any]:
    """The venue's own exchange is the default, and has no name."""
    return body | {"dex": dex} if dex else body
