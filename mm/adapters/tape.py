"""Recorded market data: lines of `<receive ns> <raw JSON frame>` read as books and trades."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mm.adapters.tape_binance import BinanceDecoder, is_binance
from mm.adapters.tape_hyperliquid import HyperliquidDecoder, is_hyperliquid
from mm.adapters.tape_lines import (
    GAP_CHANNEL,
    BadLine,
    TapeError,
    TapeReport,
    raw_lines,
    split_line,
)
from mm.model.events import Book, Trades
from mm.model.units import Ns

__all__ = ["Tape", "TapeError", "TapeReport", "open_tape"]

PROBED_LINES = 200
GAP_MARK = b'{"channel":"%s"' % GAP_CHANNEL.encode()
EXPECTED = (
    "expected lines of '<receive time, ns> <JSON frame>' from Binance USD-M "
    "(bookTicker, trade, depth) or Hyperliquid (l2Book, bbo, trades), plain, gzip or zstd"
)


class Decoder(Protocol):
    """One venue's frames to neutral records; counts what it meets in the report."""

    @property
    def coin(self) -> str: ...

    def decode(self, ts: Ns, raw: bytes) -> Book | Trades | None: ...

    def gap(self) -> None:
        """Frames may be missing here."""
        ...


class Tape:
    """One recording of one instrument: a file, or a directory of hourly ones. Each iteration reads
    it anew, into a new `report`.

    Bad lines are skipped and counted in the report; iteration raises only TapeError, where the
    file itself cannot be read.
    """

    def __init__(self, path: Path, venue: str, symbol: str = "") -> None:
        self.path = path
        self.venue = venue
        """binance or hyperliquid."""
        self.coin = ""
        """The instrument's name, known from the first frame on."""
        self.report = TapeReport()
        self._symbol = symbol

    def __iter__(self) -> Iterator[Book | Trades]:
        """Records in the order of receipt; `ts` never goes back."""
        for record, _ in self.lines():
            if record is not None:
                yield record

    def lines(self) -> Iterator[tuple[Book | Trades | None, bytes]]:
        """Every sound line with the record that it makes."""
        report = self.report = TapeReport()
        decoder = self._decoder(report)
        for line in raw_lines(self.path, report):
            try:
                stamp, frame = split_line(line)
                ts = report.receive(stamp)
                record = self._record(decoder, ts, frame)
            except BadLine as bad:
                report.count_bad(bad.reason)
            except msgspec.ValidationError:
                report.count_bad("wrong fields")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                report.count_bad("not JSON")
            else:
                self.coin = decoder.coin
                yield record, line

    def _record(self, decoder: Decoder, ts: Ns, frame: bytes) -> Book | Trades | None:
        if frame.startswith(GAP_MARK):
            self.report.count_unused(GAP_CHANNEL)
            decoder.gap()
            return None
        return decoder.decode(ts, frame)

    def _decoder(self, report: TapeReport) -> Decoder:
        if self.venue == "binance":
            return BinanceDecoder(report, self._symbol.upper())
        return HyperliquidDecoder(report, self._symbol)


def open_tape(path: Path | str, symbol: str = "") -> Tape:
    """The tape at `path`, its venue told from its content; `symbol` as the venue writes it.

    Without a symbol the first one met is the tape's. Raises TapeError for a file that cannot be
    read, is empty, is of no known format or holds no book.
    """
    path = Path(path)
    tape = Tape(path, _venue(path), symbol)
    if not any(isinstance(record, Book) for record in tape):
        what = f"no book of {symbol}" if symbol else "no book in it"
        raise TapeError(f"{path}: {what}; {_told(tape.report)}; {EXPECTED}")
    return tape


def _venue(path: Path) -> str:
    report = TapeReport()
    first = b""
    for line in islice(raw_lines(path, report), PROBED_LINES):
        first = first or line
        frame = _frame(line)
        if frame.get("channel") == GAP_CHANNEL:
            continue
        if is_hyperliquid(frame):
            return "hyperliquid"
        if is_binance(frame):
            return "binance"
    if not first:
        state = _told(report) if report.bad else "the file is empty"
        raise TapeError(f"{path}: {state}; {EXPECTED}")
    shown = first[:60].decode("ascii", "replace").replace("\ufffd", "?")
    raise TapeError(f"{path}: not a tape; {EXPECTED}; the first line begins {shown!r}")


def _frame(line: bytes) -> dict[str, Any]:
    try:
        frame = msgspec.json.decode(split_line(line)[1])
    except (BadLine, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}


def _told(report: TapeReport) -> str:
    counted = {**report.unused, **report.bad}
    return ", ".join(f"{count} × {reason}" for reason, count in counted.items()) or "no frame"
