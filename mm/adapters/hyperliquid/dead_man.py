"""The venue's dead-man switch: it cancels all our orders should we fall silent."""

import asyncio

import msgspec

from mm.adapters.hyperliquid import answers, encode, rejects
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.model.actions import Severity
from mm.model.exchange import Refused
from mm.model.units import NS_PER_S, Ns

FOREVER_S = 1e9
ASK_AGAIN_NS = 3600 * NS_PER_S


class DeadMan:
    """scheduleCancel, pushed back again and again. It cancels *every* order of the account, so it
    is not armed beside foreign ones, wherever they rest. Accounts below the venue's volume
    threshold are refused."""

    def __init__(self, seat: Seat, rest: Rest, health: Health) -> None:
        self._seat = seat
        self._rest = rest
        self._health = health
        self.armed = False
        self._may_fire = seat.settings.dead_man_s is not None
        """It was told to, by us or by the process before, and nobody has said that it will not."""
        self._asking = asyncio.Lock()
        """Else what is told to fire and to be quiet at once does either, whichever comes last."""
        self.refused = ""
        """Why the venue will not have it: then we ask again now and then, as volume grows."""
        self._refused_at: Ns = 0

    @property
    def period_s(self) -> float:
        """Three refreshes before it would fire."""
        return (self._seat.settings.dead_man_s or FOREVER_S) / 3.0

    async def refresh(self, ask: Questions) -> None:
        ahead_s = self._seat.settings.dead_man_s
        now = self._seat.now()
        if ahead_s is None or (self.refused and now - self._refused_at < ASK_AGAIN_NS):
            return
        if await ask.foreign_anywhere():
            await self.clear()
            return
        async with self._asking:
            self._may_fire = True
            refusal = await self._schedule(self._seat.venue_ms() + int(ahead_s * 1000))
            self._heed(refusal, now)

    def _heed(self, refusal: str | None, now: Ns) -> None:
        if refusal is None:
            self.armed, self.refused = True, ""
        elif refusal.startswith(rejects.NO_VOLUME_FOR_DEAD_MAN):
            self._may_fire = False
            known, self.refused, self._refused_at = self.refused, refusal, now
            if known:
                return
            local = self._seat.settings.network == "local"
            severity = Severity.INFO if local else Severity.WARNING
            self._health.note(severity, "risk", "no dead-man switch for this account", why=refusal)

    async def clear(self) -> None:
        """As long as it may fire on orders of others, each call says so to the venue again."""
        async with self._asking:
            if self._may_fire:
                self.armed = False
                self._may_fire = await self._schedule(None) is not None

    async def _schedule(self, time_ms: int | None) -> str | None:
        """Why it was refused, or that nobody answered; None: done."""
        try:
            raw = await self._rest.exchange(
                self._seat.envelope(encode.schedule_cancel(time_ms)),
            )
            (item,) = answers.items(raw, 1)
        except (RestError, msgspec.DecodeError) as error:
            self._health.failed_polls += 1
            return str(error)
        return item.message if isinstance(item, Refused) else None
