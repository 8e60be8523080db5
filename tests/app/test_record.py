"""`mm record` and the daemon's recorder against an exchange's process: cut, killed, read back."""

import json
import signal
from pathlib import Path
from typing import Any

from mm.adapters.tape import open_tape
from mm.adapters.tape_lines import TapeReport, raw_lines
from mm.model.events import Book, Trades
from mm.sim.exchange import Exchange as Matching
from mm.sim.recorded import RecordedMarket
from tests.app.processes import Process, until
from tests.app.tee import Tee

START_MS = 1_900_000_000_000


def recorder(directory: Path, wire: Tee, *more: str) -> Process:
    out = ("--out", str(directory / "tape"), "--json")
    return Process(directory / "record.log", "record", "--from", wire.url, *out, *more)


def lines(directory: Path) -> list[bytes]:
    """Of whatever is on disk now."""
    if not list((directory / "tape").glob("BTC/*.zst")):
        return []
    return list(raw_lines(directory / "tape" / "BTC", TapeReport()))


def info(directory: Path) -> Any:  # noqa: ANN401 - JSON
    log = directory / "info.log"
    asked = Process(log, "data", "info", str(directory / "tape" / "BTC"), "--json")
    assert asked.process.wait(60) == 0, log.read_text()
    return json.loads(log.read_text())


def test_a_recording_cut_and_killed_is_read_and_replays(tmp_path: Path, wire: Tee) -> None:
    first = recorder(tmp_path, wire)
    until(lambda: len(lines(tmp_path)) > 100, "a hundred frames on disk")
    wire.cut()
    marks = sum(b'"gap"' in line for line in lines(tmp_path))
    until(lambda: sum(b'"gap"' in line for line in lines(tmp_path)) > marks, "the gap's mark")
    so_far = len(lines(tmp_path))
    until(lambda: len(lines(tmp_path)) > so_far + 50, "frames after the cut")
    first.stop(signal.SIGKILL)
    survived = len(lines(tmp_path))
    second = recorder(tmp_path, wire)
    until(lambda: len(lines(tmp_path)) > survived + 50, "frames of the second run")

    assert second.stop(signal.SIGINT) == 0
    told = json.loads(second.log.read_text().splitlines()[-1])
    assert told["frames"] > 50
    assert (told["dropped"], told["failure"]) == (0, "")

    found = info(tmp_path)
    assert sum(found["bad"].values()) <= 1  # the line that the kill cut
    assert found["unused"]["gap"] >= 3  # two starts and the cut
    assert found["books"]["updates"] > 100
    assert found["prints"]["count"] > 0
    assert found["coin"] == "BTC"

    tape = open_tape(tmp_path / "tape" / "BTC")
    records = list(tape)
    exchange = Matching([RecordedMarket("BTC", records, START_MS)], START_MS)
    exchange.advance(START_MS + 3_600_000)
    assert exchange.ended
    last = [record for record in records if isinstance(record, Book)][-1]
    assert exchange.book("BTC", 1)[0][0][0] == last.bids[0][0]
    prints = [t for record in records if isinstance(record, Trades) for t in record.trades]
    assert len({trade.trade_id for trade in prints}) == len(prints)


def test_an_unknown_coin_is_one_clear_line(tmp_path: Path, wire: Tee) -> None:
    asked = recorder(tmp_path, wire, "--coin", "BTX")
    assert asked.process.wait(60) == 1
    assert asked.matches("unknown coin 'BTX'.*did you mean 'BTC'?")
    assert not asked.matches("Traceback")
