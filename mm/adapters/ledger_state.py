"""What the ledger remembers of one instrument, computed exactly from its rows."""

import sqlite3
import zlib
from decimal import Context, Decimal, localcontext

from msgspec import Struct

from mm.model.events import EquityMark
from mm.model.units import NS_PER_S, Ns

RECENT_FILLS = 10_000
DAY_NS = 86_400 * NS_PER_S
EXACT = Context(prec=100)  # sums are never rounded, whatever the number of fills


class LedgerState(Struct, frozen=True, kw_only=True):
    """`position` and `cash` (Σ -side·price·size - fees + funding) are exact sums over all rows.

    `halted` is the latched reason or "". `peak_equity` is the highest mark since the latch was
    last cleared, `day_equity` the first of the current UTC day since then, `midnight_equity` the
    first of that day at all; None without a mark. All three are told as if what was paid in or out
    until `last_mark` had been there from the first.
    `paused` (why, or "") and `flatten` are what the operator asked for and has not taken back.
    """

    position: Decimal
    cash: Decimal
    halted: str
    paused: str
    flatten: bool
    peak_equity: Decimal | None
    day_equity: Decimal | None
    midnight_equity: Decimal | None
    last_mark: EquityMark | None
    checkpoint: bytes | None
    last_fill_ms: int
    """Venue time of the latest fill, 0 without any: fetch from here on."""
    last_funding_ms: int
    """Venue time of the latest funding payment, 0 without any."""
    fill_ids: frozenset[tuple[int, int]]
    """(trade_id, venue_ms) of the latest fills: these need not be told again."""
    fills: int
    first_ts: Ns | None
    """When the first run began, by the venue's clock; PnL counts from here. None: never."""


def read_state(database: sqlite3.Connection, instrument: str, now: Ns) -> LedgerState:
    position, cash, count = _sums(database, instrument)
    recent = database.execute(
        "SELECT trade_id, venue_ms FROM fills WHERE instrument = ? ORDER BY venue_ms DESC LIMIT ?",
        (instrument, RECENT_FILLS),
    ).fetchall()
    last = _last_mark(database, instrument)
    peak, day, midnight = _equity(database, instrument, now, last)
    paused, flatten = _asked(database, instrument)
    return LedgerState(
        position=position,
        cash=cash,
        halted=_halted(database, instrument),
        paused=paused,
        flatten=flatten,
        peak_equity=peak,
        day_equity=day,
        midnight_equity=midnight,
        last_mark=last,
        checkpoint=_checkpoint(database, instrument),
        last_fill_ms=recent[0][1] if recent else 0,
        last_funding_ms=database.execute(
            "SELECT coalesce(max(venue_ms), 0) FROM funding WHERE instrument = ?", (instrument,)
        ).fetchone()[0],
        fill_ids=frozenset(recent),
        fills=count,
        first_ts=database.execute(
            "SELECT min(start_ns) FROM runs WHERE instrument = ?", (instrument,)
        ).fetchone()[0],
    )


def _sums(database: sqlite3.Connection, instrument: str) -> tuple[Decimal, Decimal, int]:
    position = cash = Decimal(0)
    count = 0
    rows = database.execute(
        "SELECT side, price, size, fee FROM fills WHERE instrument = ?", (instrument,)
    )
    funding = database.execute("SELECT amount FROM funding WHERE instrument = ?", (instrument,))
    with localcontext(EXACT):
        for side, price, size, fee in rows:
            signed = side * Decimal(size)
            position += signed
            cash -= signed * Decimal(price) + Decimal(fee)
            count += 1
        cash += sum((Decimal(amount) for (amount,) in funding), Decimal(0))
    return position, cash, count


def _halted(database: sqlite3.Connection, instrument: str) -> str:
    row = database.execute(
        "SELECT reason FROM latches WHERE instrument = ? ORDER BY id DESC LIMIT 1", (instrument,)
    ).fetchone()
    return str(row[0]) if row else ""


def _asked(database: sqlite3.Connection, instrument: str) -> tuple[str, bool]:
    """(why it is paused or "", whether it is to be flat), by the commands since the last resume."""
    rows = database.execute(
        "SELECT verb, source, reason FROM commands WHERE instrument = ?1 AND rowid > (SELECT "
        "coalesce(max(rowid), 0) FROM commands WHERE instrument = ?1 AND verb = 'resume') "
        "ORDER BY rowid",
        (instrument,),
    ).fetchall()
    paused = [reason or source for verb, source, reason in rows if verb == "pause"]
    return paused[-1] if paused else "", any(verb == "flatten" for verb, _, _ in rows)


def _last_mark(database: sqlite3.Connection, instrument: str) -> EquityMark | None:
    """None where none tells how much of it was profit, as none of an older version does."""
    row = database.execute(
        "SELECT equity, pnl, transferred FROM equity WHERE instrument = ? ORDER BY ts DESC, "
        "rowid DESC LIMIT 1",
        (instrument,),
    ).fetchone()
    return None if row is None or None in row else EquityMark(*map(Decimal, row))


def _equity(
    database: sqlite3.Connection, instrument: str, now: Ns, last: EquityMark | None
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """(peak, first of the day), both since the latch was last cleared; first of the day at all."""
    cleared = database.execute(
        "SELECT coalesce(max(ts), 0) FROM latches WHERE instrument = ? AND reason = ''",
        (instrument,),
    ).fetchone()[0]
    row = (
        "SELECT equity, coalesce(transferred, '0') FROM equity WHERE instrument = ? AND ts >= ? "
        "ORDER BY "
    )
    highest = row + "CAST(equity AS REAL) - CAST(coalesce(transferred, '0') AS REAL) DESC LIMIT 1"
    first, midnight = row + "ts LIMIT 1", now - now % DAY_NS
    found = (
        database.execute(highest, (instrument, cleared)).fetchone(),
        database.execute(first, (instrument, max(cleared, midnight))).fetchone(),
        database.execute(first, (instrument, midnight)).fetchone(),
    )
    moved = Decimal(0) if last is None else last.transferred
    peak, day, start = (
        None if one is None else Decimal(one[0]) + moved - Decimal(one[1]) for one in found
    )
    return peak, day, start


def _checkpoint(database: sqlite3.Connection, instrument: str) -> bytes | None:
    """The latest one that is whole."""
    rows = database.execute(
        "SELECT crc, data FROM checkpoints WHERE instrument = ? ORDER BY id DESC", (instrument,)
    )
    for crc, data in rows:
        if data and zlib.crc32(data) == crc:
            return bytes(data)
    return None
