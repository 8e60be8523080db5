"""Recording: raw frames to hourly zstd files of `<receive ns> <frame>` lines, gaps marked."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec
import zstandard

from mm.adapters.tape_lines import GAP_CHANNEL, TapeError
from mm.model.units import NS_PER_S, Ns

LEVEL = 6
FLUSH_NS = NS_PER_S  # what a killed recorder loses at most
HOUR_NS = 3600 * NS_PER_S


class TapeWriter:
    """Writes `<directory>/<name>-<UTC hour>.zst`, a new file each hour and each run.

    Frames are written as received, so that `open_tape` and other tick tools read them. Not for
    the event loop of a trading daemon under load: writing is synchronous, a millisecond a flush.
    Raises TapeError where a file cannot be written.
    """

    def __init__(self, directory: Path, name: str, file_bytes: int | None = None) -> None:
        """`file_bytes`: a file that has grown to this is followed by a new one of the hour."""
        self.path: Path | None = None
        """The file that is being written."""
        self._directory = directory
        self._name = name
        self._file_bytes = file_bytes
        self._hour = -1
        self._flushed: Ns = 0
        self._file: IO[bytes] | None = None
        self._stream: zstandard.ZstdCompressionWriter | None = None

    def __enter__(self) -> "TapeWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, ts: Ns, frame: bytes) -> None:
        """One frame on one line. Raises ValueError for a frame with a line end in it."""
        if b"\n" in frame:
            raise ValueError("a frame of a tape has no line end in it")
        try:
            if ts // HOUR_NS != self._hour or self._stream is None:
                self._open(ts)
            self._put(ts, frame)
        except OSError as error:
            where = self._directory
            raise TapeError(f"{where}: cannot record: {error.strerror or error}") from None

    def gap(self, ts: Ns, reason: str) -> None:
        """Mark that frames may be missing before `ts`."""
        marker = {"channel": GAP_CHANNEL, "data": {"reason": reason}}
        self.write(ts, msgspec.json.encode(marker))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.flush(zstandard.FLUSH_FRAME)
        if self._file is not None:
            self._file.close()
        self._stream = self._file = self.path = None

    def _open(self, ts: Ns) -> None:
        self.close()
        self._hour = ts // HOUR_NS
        hour = datetime.fromtimestamp(self._hour * 3600, UTC).strftime("%Y%m%dT%H")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file = self._fresh(f"{self._name}-{hour}")
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._stream = compressor.stream_writer(self._file, closefd=False)

    def _fresh(self, stem: str) -> IO[bytes]:
        """Never append: the last frame of a killed recorder's file may be cut."""
        run = 0
        while True:
            try:
                self.path = self._directory / f"{stem}{f'-{run}' if run else ''}.zst"
                return self.path.open("xb")
            except FileExistsError:
                run += 1

    def _put(self, ts: Ns, frame: bytes) -> None:
        stream = self._stream
        if stream is None:
            return
        stream.write(b"%d %s\n" % (ts, frame))
        if ts - self._flushed >= FLUSH_NS:
            self._flushed = ts
            stream.flush(zstandard.FLUSH_BLOCK)
            if self._file is not None:
                self._file.flush()
                if self._file_bytes is not None and self._file.tell() >= self._file_bytes:
                    self.close()
