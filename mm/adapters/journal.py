"""The journal: each event given to the engine, in order, with a hash of the actions it caused.

A file is one zstd stream of records, each a 4-byte little-endian length and msgpack. The first is
the header, so that a replay needs nothing else. Blocks are flushed at intervals: a process killed
at any instant leaves a file that reads up to its last whole record. A long run goes on in further
files, which read as one with the first.
"""

import contextlib
import hashlib
import struct
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import zstandard
from msgspec import Struct, structs

from mm.adapters.journal_files import SUFFIX, JournalFiles, continuations
from mm.model.actions import Step
from mm.model.events import Event
from mm.model.instrument import Instrument

T = TypeVar("T")
FORMAT = 1
LENGTH = struct.Struct("<I")
MAX_PENDING = 20_000  # minutes of a busy market, at most some 100 MB
READ_BYTES = 1 << 18


class JournalError(Exception):
    """A journal that cannot be written or read. One line that says why."""


class JournalHeader(Struct, frozen=True, kw_only=True):
    """Everything besides the events that the actions are a function of."""

    version: str
    run_id: str
    instrument: Instrument
    settings: msgspec.Raw
    """The engine's settings; `settings_as` decodes them."""
    format: int = FORMAT
    continues: int = 0
    """Events of this run in the files before this one."""

    def settings_as(self, kind: type[T]) -> T:
        try:
            return msgspec.msgpack.decode(self.settings, type=kind)
        except msgspec.MsgspecError as error:
            raise JournalError(f"journal of mm {self.version}: settings differ: {error}") from None


class Entry(Struct, frozen=True, array_like=True):
    """One event and what came of it; `dropped` entries before it were lost to a slow disk."""

    event: Event
    actions_hash: int
    dropped: int = 0


def header(version: str, run_id: str, instrument: Instrument, settings: object) -> JournalHeader:
    raw = msgspec.Raw(msgspec.msgpack.encode(settings))
    return JournalHeader(version=version, run_id=run_id, instrument=instrument, settings=raw)


def actions_hash(step: Step) -> int:
    """64 bits of the actions' encoding; 0 for none. Notes do not count."""
    if not step.actions:
        return 0
    encoded = msgspec.msgpack.encode(step.actions)
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little") >> 1


class JournalWriter:
    """Appends on the caller's time; a thread encodes and writes, every `flush_s`. With `files` the
    run goes on in a new file where one is full, and the oldest go.

    The journal never stops trading: what a slow or full disk does not take is counted in
    `dropped`, `failure` says why, and a reader stops at the gap.
    """

    def __init__(
        self,
        path: Path,
        first: JournalHeader,
        flush_s: float = 1.0,
        level: int = 3,
        files: JournalFiles | None = None,
    ) -> None:
        self.path = path
        self.dropped = 0
        self.failure = ""
        self._pending: deque[tuple[Event, Step, int]] = deque()
        self._gap = 0
        self._flush_s = flush_s
        self._stop = threading.Event()
        self._header, self._level, self._files = first, level, files
        self._written = 0
        try:
            self._open(path)
        except OSError as error:
            raise JournalError(f"cannot write journal {path}: {error.strerror}") from None
        self._keep(self._heading())
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, event: Event, step: Step) -> None:
        """Keep this event and a hash of its actions. Never blocks, never raises."""
        if self.failure or len(self._pending) >= MAX_PENDING:
            self.dropped += 1
            self._gap += 1
            return
        self._pending.append((event, step, self._gap))
        self._gap = 0

    def close(self) -> None:
        """Write what is pending and finish the stream."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._finish()

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._flush_s):
                self._drain()
            self._drain()
        except Exception as error:  # noqa: BLE001 - a number too large for it, too
            self.failure = f"cannot write journal {self.path}: {error}"

    def _drain(self) -> None:
        records = bytearray()
        while self._pending:
            event, step, gap = self._pending.popleft()
            records += _framed(Entry(event, actions_hash(step), gap))
            self._written += 1
        if records:
            self._keep(bytes(records))

    def _keep(self, records: bytes) -> None:
        if self.failure:
            return
        try:
            self._write(records)
            if self._files is not None and self._file.tell() >= self._files.segment_bytes:
                self._finish()
                self._open(self._files.next(self.path))
                self._write(self._heading())
        except OSError as error:
            self.failure = f"cannot write journal {self.path}: {error.strerror}"

    def _open(self, path: Path) -> None:
        self._file = path.open("xb")
        self._stream = zstandard.ZstdCompressor(self._level).compressobj()
        self.path = path

    def _heading(self) -> bytes:
        return _framed(structs.replace(self._header, continues=self._written))

    def _write(self, records: bytes) -> None:
        self._file.write(self._stream.compress(records))
        self._file.write(self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        self._file.flush()

    def _finish(self) -> None:
        with contextlib.closing(self._file):
            if not self.failure:
                self._file.write(self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))


def read_journal(path: Path) -> tuple[JournalHeader, Iterator[tuple[Event, int]]]:
    """The header of a run's first file, and (event, actions hash) of each whole record in order,
    those of the files that follow included.

    Raises JournalError: at once if this is no journal or not its beginning, while iterating at
    damage or at a gap. A cut tail is no damage.
    """
    first, records = _opened(path)
    if first.continues:
        begin = path.with_name(path.name.partition(".")[0] + SUFFIX)
        raise JournalError(
            f"{path} continues a run after {first.continues} events, "
            + (f"read {begin}" if begin.exists() else "whose beginning is no longer on the disk")
        )
    return first, _run(first, records, path)


def is_closed(path: Path) -> bool:
    """Whether the run's last file ends as `close` ends it: not cut by a kill, nor still written.

    Raises JournalError where it cannot be read.
    """
    *_, last = (path, *continuations(path))
    stream = zstandard.ZstdDecompressor().decompressobj()
    try:
        with last.open("rb") as file:
            while not stream.eof and (block := file.read(READ_BYTES)):
                stream.decompress(block)
    except OSError as error:
        raise JournalError(f"cannot read journal {last}: {error.strerror}") from None
    except zstandard.ZstdError as error:
        raise JournalError(f"{last} is damaged or not a journal: {error}") from None
    return stream.eof


def _opened(path: Path) -> tuple[JournalHeader, Iterator[bytes]]:
    records = _records(path)
    try:
        first = msgspec.msgpack.decode(next(records), type=JournalHeader)
    except (StopIteration, msgspec.MsgspecError):
        raise JournalError(f"{path} is not a journal of mm") from None
    if first.format != FORMAT:
        raise JournalError(
            f"{path} has journal format {first.format}, this mm reads {FORMAT}: "
            f"replay it with mm {first.version}"
        )
    return first, records


def _run(first: JournalHeader, records: Iterator[bytes], path: Path) -> Iterator[tuple[Event, int]]:
    """The entries of all files of a run."""
    told = 0
    for entry in _entries(records, path):
        told += 1
        yield entry
    for following in continuations(path):
        header, records = _opened(following)
        if (header.run_id, header.continues) != (first.run_id, told):
            raise JournalError(f"{following} does not continue after {told} events of this run")
        for entry in _entries(records, following):
            told += 1
            yield entry


def _entries(records: Iterator[bytes], path: Path) -> Iterator[tuple[Event, int]]:
    decoder = msgspec.msgpack.Decoder(Entry)
    for number, record in enumerate(records, 1):
        try:
            entry = decoder.decode(record)
        except msgspec.MsgspecError as error:
            raise JournalError(f"{path}: record {number} is damaged: {error}") from None
        if entry.dropped:
            raise JournalError(
                f"{path}: {entry.dropped} events before record {number} were not written "
                "(slow or full disk): nothing after them can be replayed"
            )
        yield entry.event, entry.actions_hash


def _records(path: Path) -> Iterator[bytes]:
    """Whole records, without their lengths."""
    held = bytearray()
    try:
        with path.open("rb") as file:
            for block in _blocks(file):
                held += block
                start = 0
                while (end := _record_end(held, start)) is not None:
                    yield bytes(held[start + LENGTH.size : end])
                    start = end
                del held[:start]
    except OSError as error:
        raise JournalError(f"cannot read journal {path}: {error.strerror}") from None
    except zstandard.ZstdError as error:
        raise JournalError(f"{path} is damaged or not a journal: {error}") from None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    while block := file.read(READ_BYTES):
        yield stream.decompress(block)


def _record_end(held: bytearray, start: int) -> int | None:
    """Where the record that begins at `start` ends; None while it is not whole."""
    if start + LENGTH.size > len(held):
        return None
    end: int = start + LENGTH.size + LENGTH.unpack_from(held, start)[0]
    return end if end <= len(held) else None


def _framed(record: Struct) -> bytes:
    payload = msgspec.msgpack.encode(record)
    return LENGTH.pack(len(payload)) + payload
