"""The daemon's watchdog: a process of its own that cancels this run's orders should we die."""

import asyncio
import os
import sys
from contextlib import suppress

import msgspec

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.hyperliquid.warden import Charge
from mm.adapters.logs import log
from mm.app.config import Config, private_key
from mm.app.watchdog_process import BYE
from mm.app.wiring import Wired

BEAT_S = 1.0
RETRY_S = 10.0
END_S = 2.0
GIVE_UP_S = 3600.0
LOCAL_GIVE_UP_S = 30.0
"""A local exchange that is gone took the orders with it."""
COMMAND = (sys.executable, "-m", "mm.app.watchdog_process")


def charge_of(config: Config, wired: Wired) -> Charge | None:
    """What the watchdog is to guard; None where there is nothing, or nobody wants it."""
    venue, silence_s, key = wired.venue, config.daemon.watchdog_s, private_key(config)
    if not isinstance(venue, HyperliquidVenue) or silence_s is None or key is None:
        return None
    settings = venue.settings
    prefix = config.venue.cloid_prefix
    return Charge(
        url=settings.url,
        mainnet=settings.network == "mainnet",
        key=key,
        account=venue.account,
        vault=settings.vault.lower() if settings.vault else None,
        assets={coin: boot.instrument.asset for coin, boot in venue.found.items()},
        dexes=tuple(dict.fromkeys(dex_of(coin) for coin in settings.coins)),
        prefixes=tuple(f"0x{prefix}{trader.run_id:0>8}" for trader in wired.traders),
        silence_s=silence_s,
        give_up_s=LOCAL_GIVE_UP_S if settings.network == "local" else GIVE_UP_S,
        expires_s=settings.expires_after_s,
    )


class Watchdog:
    """`run` keeps it alive and fed; `leave` sends it home, or leaves it to what still rests."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Until cancelled. A watchdog that dies is replaced."""
        while True:
            try:
                process = self._process = await self._start()
            except OSError as error:  # no memory, no process left: trading goes on, and says so
                log("error", "watchdog", "No watchdog can be started", reason=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            while process.returncode is None:
                with suppress(ConnectionError):
                    self._tell(process, b"\n")
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await process.wait()
            log("error", "watchdog", "The watchdog died and is replaced", code=process.returncode)
            await asyncio.sleep(BEAT_S)

    async def leave(self, resting: int) -> None:
        """Nothing rests: it ends with us. Else it goes on until nothing does."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None or process.stdin is None:
            return
        with suppress(ConnectionError, TimeoutError):
            if not resting:
                self._tell(process, BYE + b"\n")
            process.stdin.close()
            async with asyncio.timeout(END_S):
                await process.stdin.wait_closed()
                if not resting:
                    await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        """A session of its own, so that Ctrl-C is ours alone; no secret in its environment."""
        environment = {name: text for name, text in os.environ.items() if name[:3] != "MM_"}
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=asyncio.subprocess.PIPE, env=environment, start_new_session=True
        )
        self._tell(process, msgspec.json.encode(self._charge) + b"\n")
        return process

    @staticmethod
    def _tell(process: asyncio.subprocess.Process, line: bytes) -> None:
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(line)
