"""Lines of a tape: gzip, zstd or plain bytes in, `(receive time, frame)` out; damage is counted."""

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard
from msgspec import Struct, field

from mm.model.units import NS_PER_S, Ns

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GAP_CHANNEL = "gap"  # our recorder's mark that frames may be missing
MAX_LINE = 16 << 20  # bytes; a line beyond this is no frame
EARLIEST = 1_000_000_000 * NS_PER_S  # 2001: a time stamp in other units than ns lies before it
HOURLY = re.compile(r"(.+)-(\d{8}T\d{2})(?:-(\d+))?\.zst")
"""A recorder's file: name, UTC hour, and which one of that hour."""
LATEST = 4_000_000_000 * NS_PER_S  # 2096
MAX_STEP_BACK = 60 * NS_PER_S  # a corrected clock; anything more is a broken time stamp
MAX_STEP_ON = 7 * 24 * 3600 * NS_PER_S


class TapeError(Exception):
    """A tape that cannot be used at all; one line that names the file and what was expected."""


class BadLine(Exception):  # noqa: N818 - counted, not propagated: a verdict on a line
    """A line that is skipped and counted under `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TapeReport(Struct):
    """What one reading has met so far. Frames by kind; bad and unused lines by reason."""

    lines: int = 0
    frames: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    """Sound lines that a market has no use for, by kind."""
    first_ns: Ns | None = None
    last_ns: Ns | None = None
    longest_gap_ns: Ns = 0

    @property
    def bad_lines(self) -> int:
        return sum(self.bad.values())

    def count_frame(self, kind: str) -> None:
        self.frames[kind] = self.frames.get(kind, 0) + 1

    def count_bad(self, reason: str) -> None:
        self.bad[reason] = self.bad.get(reason, 0) + 1

    def count_unused(self, kind: str) -> None:
        self.unused[kind] = self.unused.get(kind, 0) + 1

    def receive(self, ts: Ns) -> Ns:
        """The line's time, never before the last one's. Raises BadLine if it cannot be one."""
        if not EARLIEST <= ts <= LATEST:
            raise BadLine("time stamp is not in nanoseconds")
        last = self.last_ns
        if last is None:
            self.first_ns = self.last_ns = ts
            return ts
        if not last - MAX_STEP_BACK <= ts <= last + MAX_STEP_ON:
            raise BadLine("time out of range")
        if ts < last:
            self.count_bad("time goes backwards")  # the frame is still good
            return last
        self.longest_gap_ns = max(self.longest_gap_ns, ts - last)
        self.last_ns = ts
        return ts


def split_line(line: bytes) -> tuple[Ns, bytes]:
    """Receive time and frame. Raises BadLine."""
    stamp, _, frame = line.partition(b" ")
    if not (frame and stamp.isdigit() and len(stamp) < 20):
        raise BadLine("no time stamp")
    return int(stamp), frame


def positive(*values: float) -> None:
    """Raises BadLine unless each is a positive finite number."""
    for value in values:
        if not 0.0 < value < math.inf:
            raise BadLine("price or size is not a positive number")


def tape_files(path: Path) -> list[Path]:
    """The file, or all hourly files of the recording in this directory, oldest first.

    Raises TapeError where there is none, or several recordings.
    """
    if not path.is_dir():
        return [path]
    found = [(match, file) for file in path.iterdir() if (match := HOURLY.fullmatch(file.name))]
    names = sorted({match[1] for match, _ in found})
    if len(names) > 1:
        raise TapeError(f"{path}: several recordings ({', '.join(names)}): name the files of one")
    if not found:
        inside = ", ".join(sorted(each.name for each in path.iterdir())[:5]) or "nothing"
        raise TapeError(f"{path}: no recording (NAME-20231114T22.zst) in it, but {inside}")
    return [file for _, file in sorted(found, key=lambda each: _age(each[0]))]


def tape_bytes(path: Path) -> int:
    """On disk."""
    return sum(file.stat().st_size for file in tape_files(path))


def _age(match: re.Match[str]) -> tuple[str, int]:
    return match[2], int(match[3] or 0)


def raw_lines(path: Path, report: TapeReport) -> Iterator[bytes]:
    """Non-empty lines without their ends. Raises TapeError where a file cannot be read."""
    for file in tape_files(path):
        yield from _lines_of(file, report)


def _lines_of(path: Path, report: TapeReport) -> Iterator[bytes]:
    try:
        with _opened(path) as stream:
            while line := stream.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    report.count_bad("line too long")
                    continue
                stripped = line.strip()
                if stripped:
                    report.lines += 1
                    yield stripped
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        report.count_bad("compressed stream is cut or broken")
    except OSError as error:
        raise TapeError(f"{path}: cannot read the tape: {error.strerror or error}") from None


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == GZIP_MAGIC:
        file.close()
        return io.BufferedReader(gzip.open(path, "rb"))
    if magic == ZSTD_MAGIC:
        reader = zstandard.ZstdDecompressor().stream_reader(
            file, read_across_frames=True, closefd=True
        )
        return io.BufferedReader(reader)
    return file
