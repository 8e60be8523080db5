"""Recording a market without trading it: public frames of some coins to hourly tapes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import NO_HOOKS, Clock, VenueSettings
from mm.adapters.hyperliquid.timers import every
from mm.adapters.logs import log
from mm.adapters.tape_recorder import TapeRecorder
from mm.app.config import Config

REPORT_S = 1.0
GIGA = 1_000_000_000


def tape_of(config: Config, data: Path) -> TapeRecorder | None:
    """The daemon's own recorder, if it is to have one."""
    recorder = config.recorder
    if not recorder.enabled:
        return None
    return TapeRecorder(
        recorder.tape_dir or data / "tape",
        int(recorder.tape_keep_gb * GIGA),
        on_failure=lambda text: log("warning", "market", "Not recording", reason=text),
    )


class Recorded(Struct, frozen=True):
    """What a recording has kept so far."""

    directory: str
    frames: int
    gaps: int
    dropped: int
    failure: str


class Recording:
    """Records until cancelled. Raises VenueError for what the venue does not list."""

    def __init__(
        self, settings: VenueSettings, directory: Path, keep_bytes: int, clock: Clock
    ) -> None:
        self._tape = TapeRecorder(directory, keep_bytes)
        self._feed = PublicFeed(
            settings, clock, Health(clock, NO_HOOKS), self, record=self._tape.frame
        )
        self._up = False
        self.gaps = 0

    async def run(self, told: Callable[[Recorded], None]) -> None:
        """`told` is shown how it goes, each second."""

        async def tell() -> None:
            told(self.so_far())

        try:
            await self._feed.instruments()  # an unknown coin would drop the connection for ever
            async with asyncio.TaskGroup() as group:
                group.create_task(self._feed.run())
                group.create_task(every(REPORT_S, tell))
        finally:
            self._tape.close()

    def so_far(self) -> Recorded:
        tape = self._tape
        return Recorded(
            directory=str(tape.directory),
            frames=tape.frames,
            gaps=self.gaps,
            dropped=tape.dropped,
            failure=tape.failure,
        )

    # -- the feed's audience --------------------------------------------------------------------

    def on_up(self) -> None:
        self._up = True

    def on_market(self, coin: str, event: Public) -> None:
        """The frame itself has been kept."""

    def on_lost(self, reason: str) -> None:
        self.gaps += self._up
        self._up = False
