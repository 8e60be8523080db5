"""What must survive: fills, orders, commands, latch, equity, checkpoints, in one SQLite file."""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct, structs

from mm.adapters.latch import FLATTEN, HALT, PAUSE, Latch
from mm.adapters.ledger_schema import LedgerError as LedgerError
from mm.adapters.ledger_schema import open_database, sealed_insert
from mm.adapters.ledger_state import LedgerState as LedgerState
from mm.adapters.ledger_state import read_state
from mm.adapters.ledger_writer import InlineWriter, Row, T, ThreadWriter, Writer
from mm.model.actions import Action, Cancel, CancelAll, Halt, Modify, Place
from mm.model.events import (
    Command,
    EquityMark,
    Event,
    Fill,
    Funding,
    OrderClosed,
    OrderOpened,
    Rejected,
    Start,
    Unresolved,
)
from mm.model.units import NS_PER_MS, NS_PER_S, Ns

READ_TIMEOUT_S = 60.0
MARK_INTERVAL_NS = 60 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
CHECKPOINTS_KEPT = 3
ORDERS_KEPT = 500_000
ORDERS_KEPT_NS = 7 * DAY_NS
"""Order commands and transitions are for looking into last week; fills stay for ever."""
FORGOTTEN_ORDERS = 20_000
"""At most so many go at once: what waits for the writer must not wait long."""

FILL = sealed_insert("fills", "ON CONFLICT (instrument, trade_id, venue_ms) DO NOTHING")
FUNDING = sealed_insert("funding", "ON CONFLICT (instrument, venue_ms) DO NOTHING")
ORDER = "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?)"
COMMAND = sealed_insert("commands")
LATCH = sealed_insert(
    "latches",
    """AND ?3 <> coalesce((SELECT reason FROM latches WHERE instrument = ?2
                           ORDER BY id DESC LIMIT 1), '')""",
)
EQUITY = sealed_insert("equity")
OLD_ORDERS = """DELETE FROM orders WHERE rowid <= min(
    (SELECT min(rowid) FROM orders) + ?1,
    max((SELECT max(rowid) FROM orders) - ?2,
        coalesce((SELECT rowid FROM orders WHERE ts < ?3 ORDER BY ts DESC LIMIT 1), 0)))"""
CHECKPOINT = "INSERT INTO checkpoints (ts, instrument, crc, data) VALUES (?,?,?,?)"
OLD_CHECKPOINTS = """DELETE FROM checkpoints WHERE instrument = ?1 AND id NOT IN (
    SELECT id FROM checkpoints WHERE instrument = ?1 ORDER BY id DESC LIMIT ?2)"""
RUN = """INSERT INTO runs (run_id, instrument, start_ns) VALUES (?,?,?)
    ON CONFLICT (run_id, instrument) DO NOTHING"""
END_RUN = "UPDATE runs SET end_ns = ?, outcome = ? WHERE run_id = ?"

Params: TypeAlias = tuple[Any, ...]


class Marked(Struct, frozen=True):
    """When equity was last written, and its peak since the daemon started, less transfers."""

    ts: Ns
    peak: Decimal


class Ledger:
    """Calls return at once (threaded): a writer commits behind them, in order.

    A failed writer is never silent: the next call raises LedgerError, as do flush and close.
    Not meant for calls from several threads. `page`: the latch's own file, for a full disk.
    """

    def __init__(self, writer: Writer, page: Latch | None = None) -> None:
        self.orders_kept = ORDERS_KEPT
        """Rows of orders that stay, within the last week."""
        self._writer = writer
        self._page = page
        self._marks: dict[str, Marked] = {}
        self._tidied: Ns = 0

    @classmethod
    def open(cls, path: Path | str, threaded: bool = True) -> "Ledger":
        """Create, migrate or continue the ledger. Raises LedgerError naming the remedy.

        `threaded` False (and ":memory:") for simulation and tests: written on the caller's time.
        """
        database = open_database(path)
        page = None if path == ":memory:" else Latch.open(latch_path(Path(path)))
        return cls((ThreadWriter if threaded else InlineWriter)(database, path), page)

    def record_event(self, instrument: str, event: Event) -> None:
        """Keep what must survive of this event; market data passes by. A fill counts once."""
        recorder = RECORDERS.get(type(event))
        if recorder is not None:
            self._writer.put(Row(*recorder(instrument, event)))
        if type(event) is Start and event.halted:
            self.latch(event.ts, instrument, event.halted)  # where only one of the two knew of it

    def record_actions(self, ts: Ns, instrument: str, actions: Sequence[Action]) -> None:
        """Order commands, and Halt to the latch ("" clears it)."""
        for action in actions:
            if isinstance(action, Halt):
                self.latch(ts, instrument, action.reason)
            else:
                self._writer.put(Row(ORDER, _command_row(ts, instrument, action)))

    def mark(self, ts: Ns, instrument: str, position: Decimal, mark: EquityMark) -> None:
        """Equity now; written on a new peak, a new UTC day, and else once a minute."""
        last = self._marks.get(instrument)
        new_day = last is None or ts // DAY_NS != last.ts // DAY_NS
        if ts - self._tidied >= MARK_INTERVAL_NS:
            self._tidied = ts
            oldest = ts - ORDERS_KEPT_NS
            self._writer.put(Row(OLD_ORDERS, (FORGOTTEN_ORDERS, self.orders_kept, oldest)))
        own = mark.equity - mark.transferred
        if last is None or new_day or own > last.peak or ts - last.ts >= MARK_INTERVAL_NS:
            self._marks[instrument] = Marked(ts, own if last is None else max(last.peak, own))
            worth = str(mark.equity), str(mark.pnl), str(mark.transferred)
            self._writer.put(Row(EQUITY, (ts, instrument, str(position), *worth)))

    def hold(self, instrument: str, reason: str, verb: str = HALT) -> None:
        """Set or clear the latch's own file, which needs no room and fails by itself."""
        if self._page is not None:
            self._page.set(instrument, reason, verb)

    def latch(self, ts: Ns, instrument: str, reason: str) -> None:
        """Set the kill switch (or clear it with ""); each change stays on record.

        Clearing starts peak and day equity afresh: the loss that halted must not halt again.
        """
        self._writer.put(Row(LATCH, (ts, instrument, reason)))
        self._writer.submit(_nothing)  # on the disk at once, not with what comes next
        self.hold(instrument, reason)
        if not reason:
            self._marks.pop(instrument, None)

    def checkpoint(self, ts: Ns, instrument: str, data: bytes) -> None:
        """Keep the estimators' state; the last three stay. Refuses an empty one."""
        if not data:
            raise ValueError("an empty checkpoint would replace a good one")
        self._writer.put(Row(CHECKPOINT, (ts, instrument, zlib.crc32(data), data)))
        self._writer.put(Row(OLD_CHECKPOINTS, (instrument, CHECKPOINTS_KEPT)))

    def end_run(self, ts: Ns, run_id: str, outcome: str) -> None:
        self._writer.put(Row(END_RUN, (ts, outcome, run_id)))

    def state(self, instrument: str, now: Ns) -> LedgerState:
        """What the ledger knows, all rows so far included; `now` says which UTC day it is."""
        state = self.read(lambda database: read_state(database, instrument, now))
        if self._page is None:
            return state
        return structs.replace(
            state,
            halted=state.halted or self._page.reason(instrument),
            paused=state.paused or self._page.reason(instrument, PAUSE),
            flatten=state.flatten or bool(self._page.reason(instrument, FLATTEN)),
        )

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of `query`, run after all rows so far. Blocks: for start, tests and tools."""
        return self._writer.submit(query).result(READ_TIMEOUT_S)

    async def flush(self) -> None:
        """Returns when all rows so far are committed. Raises LedgerError if any was not."""
        await asyncio.wrap_future(self._writer.submit(_nothing))

    def close(self) -> None:
        """Commit and close. Raises LedgerError if a row could not be written."""
        if self._page is not None:
            self._page.close()
        self._writer.close()


def latch_path(ledger: Path) -> Path:
    """`ledger-….latch` beside `ledger-….db`."""
    return ledger.with_suffix(".latch")


def _nothing(_: sqlite3.Connection) -> None:
    """A question whose answer is that all rows before it are committed."""


def _fill(instrument: str, event: Fill) -> tuple[str, Params]:
    return FILL, (
        instrument,
        event.trade_id,
        event.venue_ts // NS_PER_MS,
        event.ts,
        event.cloid,
        event.oid,
        int(event.side),
        str(event.price),
        str(event.size),
        str(event.fee),
        str(event.start_position),
        event.quote,
    )


def _funding(instrument: str, event: Funding) -> tuple[str, Params]:
    venue_ms = event.venue_ts // NS_PER_MS
    return FUNDING, (instrument, venue_ms, event.ts, str(event.amount), event.rate)


def _opened(instrument: str, event: OrderOpened) -> tuple[str, Params]:
    return ORDER, _order_row(event.ts, instrument, event.cloid, "opened", event.oid)


def _closed(instrument: str, event: OrderClosed) -> tuple[str, Params]:
    return ORDER, _order_row(event.ts, instrument, event.cloid, "closed", event.oid, event.reason)


def _rejected(instrument: str, event: Rejected) -> tuple[str, Params]:
    reason = f"{event.kind} {event.code}: {event.message}"
    return ORDER, _order_row(event.ts, instrument, event.cloid, "rejected", None, reason)


def _unresolved(instrument: str, event: Unresolved) -> tuple[str, Params]:
    return ORDER, _order_row(event.ts, instrument, event.cloid, "unresolved", None, event.kind)


def _operator(instrument: str, event: Command) -> tuple[str, Params]:
    return COMMAND, (event.ts, instrument, event.verb, event.source, event.reason)


def _start(instrument: str, event: Start) -> tuple[str, Params]:
    return RUN, (event.run_id, instrument, event.venue_ts or event.ts)


RECORDERS: dict[type, Callable[[str, Any], tuple[str, Params]]] = {
    Fill: _fill,
    Funding: _funding,
    OrderOpened: _opened,
    OrderClosed: _closed,
    Rejected: _rejected,
    Unresolved: _unresolved,
    Command: _operator,
    Start: _start,
}


def _command_row(ts: Ns, instrument: str, action: Place | Modify | Cancel | CancelAll) -> Params:
    match action:
        case Place() | Modify():
            oid = action.oid if isinstance(action, Modify) else None
            what = "modify" if isinstance(action, Modify) else "place"
            price, size = str(action.price), str(action.size)
            side, level = int(action.side), action.level
            return ts, instrument, action.cloid, oid, what, side, level, price, size, ""
        case Cancel():
            return _order_row(ts, instrument, action.cloid, "cancel", None)
        case CancelAll():
            return _order_row(ts, instrument, "", "cancel_all", None, action.reason)


def _order_row(
    ts: Ns, instrument: str, cloid: str, what: str, oid: int | None, reason: str = ""
) -> Params:
    return ts, instrument, cloid, oid, what, None, None, None, None, reason
