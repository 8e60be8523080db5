"""Any tape to the project's own form: its sound lines, unchanged, compressed with zstd."""

import os
from pathlib import Path

import zstandard
from msgspec import Struct

from mm.adapters.tape import Tape, TapeError, open_tape
from mm.adapters.tape_lines import tape_bytes

LEVEL = 10


class Converted(Struct, frozen=True):
    """Bad lines by reason; those are left out, all else is copied byte for byte."""

    path: str
    venue: str
    coin: str
    lines: int
    bad: dict[str, int]
    bytes_in: int
    bytes_out: int


def convert(path: Path | str, out: Path | str) -> Converted:
    """Write `out` (a new file, whole or not at all). Raises TapeError for either file."""
    tape, out = open_tape(path), Path(out)
    if out.exists():
        raise TapeError(f"{out}: exists already; choose a new name")
    part = out.with_name(f"{out.name}.part")
    try:
        lines = _write(tape, part)
        os.replace(part, out)
    except OSError as error:
        raise TapeError(f"{out}: cannot write the tape: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return Converted(
        path=str(out),
        venue=tape.venue,
        coin=tape.coin,
        lines=lines,
        bad=tape.report.bad,
        bytes_in=tape_bytes(tape.path),
        bytes_out=out.stat().st_size,
    )


def _write(tape: Tape, part: Path) -> int:
    count = 0
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    with part.open("wb") as file, compressor.stream_writer(file) as stream:
        for _, line in tape.lines():
            stream.write(line + b"\n")
            count += 1
    return count
