"""What is recorded can be read back, whatever ends the recorder."""

import json
from pathlib import Path

import pytest

from mm.adapters.tape import TapeError, open_tape
from mm.adapters.tape_writer import TapeWriter
from mm.model.events import Book
from mm.model.units import NS_PER_S

HOUR = 472_222 * 3_600 * NS_PER_S  # 2023-11-14T22:00 UTC


def book(time_ms: int, bid: float) -> bytes:
    levels = [[{"px": str(bid), "sz": "1", "n": 1}], [{"px": "200", "sz": "1", "n": 1}]]
    data = {"coin": "BTC", "time": time_ms, "levels": levels}
    return json.dumps({"channel": "l2Book", "data": data}).encode()


def bids(path: Path) -> list[float]:
    return [record.bids[0][0] for record in open_tape(path) if isinstance(record, Book)]


def test_a_file_an_hour_and_a_file_a_run(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, "btc") as writer:
        writer.write(HOUR + 1, book(1, 100.0))
        writer.write(HOUR + 2, book(2, 101.0))
        writer.write(HOUR + 3600 * NS_PER_S, book(3, 102.0))
    with TapeWriter(tmp_path, "btc") as writer:
        writer.write(HOUR + 5, book(4, 103.0))
    assert {path.name: bids(path) for path in tmp_path.iterdir()} == {
        "btc-20231114T22.zst": [100.0, 101.0],
        "btc-20231114T22-1.zst": [103.0],
        "btc-20231114T23.zst": [102.0],
    }


def test_gaps_are_marked_and_read_as_nothing(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, "btc") as writer:
        writer.gap(HOUR, "started")
        writer.write(HOUR + 1, book(1, 100.0))
        writer.gap(HOUR + 2, "reconnected")
        writer.write(HOUR + 3, book(2, 101.0))
    tape = open_tape(tmp_path / "btc-20231114T22.zst")
    assert tape.venue == "hyperliquid"
    assert len(list(tape)) == 2
    assert tape.report.unused == {"gap": 2}
    assert tape.report.bad == {}


def test_a_killed_recorder_loses_a_second_at_most(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, "btc")
    for number in range(200):
        writer.write(HOUR + number * NS_PER_S // 10, book(number, 100.0 + number % 7))
    found = bids(tmp_path / "btc-20231114T22.zst")  # not closed: as a kill would leave it
    writer.close()
    assert len(found) >= 190
    assert len(bids(tmp_path / "btc-20231114T22.zst")) == 200


def test_refuses_what_would_break_the_form(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, "btc") as writer, pytest.raises(ValueError, match="line end"):
        writer.write(HOUR, b'{"a":\n1}')


def test_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = TapeWriter(tmp_path / "file", "btc")
    with pytest.raises(TapeError, match="file: cannot record"):
        writer.write(HOUR, b"{}")
