"""The recorder: market frames of a live connection to a tape for each coin, within bounded disk."""

import contextlib
import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mm.adapters.tape_lines import HOURLY, TapeError
from mm.adapters.tape_writer import TapeWriter
from mm.model.units import NS_PER_S, Ns

MARKET: Final = tuple(
    f'{{"channel":"{channel}"' for channel in ("l2Book", "bbo", "trades", "activeAssetCtx")
)
DEEP_BOOK: Final = re.compile(r'\{"channel":"post".{0,120}"type":"l2Book"')
ANEW: Final = re.compile(
    r'\{"channel":"subscriptionResponse".{0,40}"method":"subscribe".{0,60}"type":"l2Book"'
)
"""Confirms that a book comes from now on: what came before it, on a former connection or from a
stream that fell silent, may lack its end."""
COIN: Final = re.compile(r'"coin":"([^"]{1,32})"')
MAX_PENDING: Final = 50_000  # minutes of a busy market
FILES: Final = 64  # so many share the disk's bound, for the oldest to go piece by piece
GROWING: Final = 16  # of them may be open: as many coins as a daemon has
RETRY_NS: Final = 30 * NS_PER_S
GAP: Final = ""


class TapeRecorder:
    """`frame` is given all that a connection hears, and keeps what is the public's market; a thread
    compresses and writes it. A new subscription is marked as a gap.

    Recording never stops or slows who calls: what a slow or full disk does not take is counted in
    `dropped` and marked as a gap, `failure` says why, and it is tried again. `keep_bytes` bounds
    all tapes under `directory`: the oldest files are deleted.
    """

    def __init__(
        self,
        directory: Path,
        keep_bytes: int,
        flush_s: float = 0.5,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_failure` is called in the thread, each time that writing fails."""
        self.directory = directory
        self.frames = 0
        self.dropped = 0
        self.failure = ""
        self._keep_bytes = keep_bytes
        self._writers: dict[str, TapeWriter] = {}
        self._pending: deque[tuple[Ns, str, str]] = deque()
        self._lost = 0
        self._broken_until: Ns = 0
        self._flush_s = flush_s
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tape", daemon=True)
        self._thread.start()

    def frame(self, ts: Ns, text: str) -> None:
        """Keep it, if it is a market's. Never blocks, never raises."""
        if not (text.startswith(MARKET) or DEEP_BOOK.match(text)):
            if ANEW.match(text):
                self.gap(ts, "subscribed")
            return
        found = COIN.search(text, 0, 400)
        if found is None or "\n" in text:
            return
        if len(self._pending) >= MAX_PENDING:
            self._lost += 1
            self.dropped += 1
            return
        if self._lost:
            self.gap(ts, f"{self._lost} frames dropped: the disk is slow")
            self._lost = 0
        self._pending.append((ts, found[1], text))
        self.frames += 1

    def gap(self, ts: Ns, reason: str) -> None:
        """Frames may be missing before `ts`."""
        self._pending.append((ts, GAP, reason))

    def close(self) -> None:
        """Write what is pending and finish the files."""
        self._stop.set()
        self._thread.join()

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(self._flush_s):
            self._drain()
        self._drain()
        self._close()

    def _drain(self) -> None:
        while self._pending:
            ts, coin, text = self._pending.popleft()
            if ts < self._broken_until:
                self.dropped += coin != GAP
                continue
            try:
                self._write(ts, coin, text)
            except (TapeError, OSError) as error:
                self.failure = str(error)
                self._on_failure(self.failure)
                self.dropped += coin != GAP
                self._broken_until = ts + RETRY_NS
                self._close()

    def _write(self, ts: Ns, coin: str, text: str) -> None:
        if coin == GAP:
            for writer in self._writers.values():
                writer.gap(ts, text)
            return
        writer = self._writers.get(coin) or self._begin(ts, coin)
        before = writer.path
        writer.write(ts, text.encode())
        if writer.path != before:
            self._prune()

    def _begin(self, ts: Ns, coin: str) -> TapeWriter:
        safe = "".join(c if c.isalnum() else "_" for c in coin)
        size = max(1, self._keep_bytes // FILES)
        writer = TapeWriter(self.directory / safe, f"hyperliquid-{safe}", size)
        writer.gap(ts, self.failure or "recorder started")
        self._writers[coin] = writer
        self._prune()
        return writer

    def _prune(self) -> None:
        """Delete the oldest files beyond the bound, never one that is being written."""
        busy = {writer.path for writer in self._writers.values()}
        sizes = {
            path: path.stat().st_size
            for path in self.directory.glob("*/*.zst")
            if HOURLY.fullmatch(path.name)
        }
        total = sum(sizes.values())
        for path in sorted(sizes, key=lambda each: (each.stat().st_mtime_ns, each.name)):
            if total <= self._keep_bytes * (FILES - GROWING) // FILES:
                return
            if path not in busy:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= sizes[path]

    def _close(self) -> None:
        for writer in self._writers.values():
            with contextlib.suppress(OSError, TapeError):
                writer.close()
        self._writers.clear()
