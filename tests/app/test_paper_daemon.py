"""Paper trading as a user runs it: a daemon's process, an exchange's process, a wire between."""

import contextlib
import json
import re
import signal
import sqlite3
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm.adapters.data_dir import read_runtime
from mm.adapters.tape import open_tape
from mm.model.events import Book
from tests.app.processes import ROOT, Process, until
from tests.app.tee import Tee

CONFIG = ROOT / "config" / "hyperliquid-paper.toml"
PUBLIC = {"subscribe", "unsubscribe", "ping", "post"}


class Paper:
    """One data directory, and the daemons that run on it."""

    def __init__(self, directory: Path, wire: Tee) -> None:
        self.data = directory / "data"
        self.wire = wire
        self._directory = directory

    def run(self, name: str) -> Process:
        return Process(
            self._directory / f"{name}.log",
            *("run", "--config", str(CONFIG), "--port", "0"),
            *("--set", f"venue.base_url={self.wire.url}"),
            *("--set", f"daemon.data_dir={self.data}"),
            *("--set", "venue.timing.reconnect_max_s=1", "--set", "recorder.enabled=true"),
        )

    def get(self, path: str) -> str:
        runtime = read_runtime(self.data)
        assert runtime is not None
        with urllib.request.urlopen(runtime.url + path, timeout=60) as answer:
            return str(answer.read().decode())

    def state(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.get("/api/state"))["view"]

    def status(self) -> str:
        log = self._directory / "status.log"
        asked = Process(log, "status", "--set", f"daemon.data_dir={self.data}")
        assert asked.process.wait(60) == 0
        return log.read_text()

    def position(self) -> Decimal:
        """By the fills in the ledger."""
        with contextlib.closing(sqlite3.connect(self.data / "ledger-paper-local.db")) as ledger:
            rows = ledger.execute("SELECT side, size FROM fills").fetchall()
        return sum((side * Decimal(size) for side, size in rows), Decimal(0))


def test_a_life_on_paper(tmp_path: Path, wire: Tee) -> None:
    paper = Paper(tmp_path, wire)
    first = paper.run("first")
    until(lambda: len(first.matches('"Fill"')) >= 3, "some fills")

    assert paper.state()["label"] == "PAPER"
    assert paper.status().startswith("BTC PAPER  ")
    assert 'mm_network{instrument="BTC",status="PAPER"} 1' in paper.get("/metrics")
    assert all('"network": "PAPER"' in line for line in first.log.read_text().splitlines())
    assert 'body[data-label="PAPER"]::before' in paper.get("/static/style.css")

    ups = len(first.matches("Link up"))
    wire.cut()
    until(lambda: len(first.matches("Link up")) > ups, "the link after the cut")
    assert first.matches("are withdrawn")

    filled = len(first.matches('"Fill"'))
    until(lambda: len(first.matches('"Fill"')) > filled, "a fill after the cut")
    first.stop(signal.SIGKILL)
    held = paper.position()

    second = paper.run("second")
    until(lambda: second.matches('"Quoting bid"'), "the second run to quote")
    assert Decimal(_line(second, "mm .* on PAPER")["position"]) == held
    until(lambda: second.matches('"Fill"'), "a fill of the second run")
    assert second.matches("Position differs") == []
    assert second.stop() == 0
    told = _line(second, "Session")
    assert paper.position() == Decimal(told["position"])
    assert told["fills"] == len(second.matches('"Fill"'))
    assert told["arrivals_in_all"] >= 1  # of the first run too: several fills may be one

    tape = open_tape(paper.data / "tape" / "BTC")
    books = [record for record in tape if isinstance(record, Book)]
    assert len(books) > 100
    assert tape.report.unused["gap"] >= 3  # two starts and the cut
    assert sum(tape.report.bad.values()) <= 1  # the line that the kill cut

    assert wire.requests() == {"POST /info", "GET /ws"}
    messages = list(wire.messages())
    assert {message["method"] for message in messages} <= PUBLIC
    posts = [message["request"]["type"] for message in messages if message["method"] == "post"]
    assert set(posts) == {"info"}
    users = [m for m in messages if "user" in m.get("subscription", {})]
    assert users == []


def _line(daemon: Process, event: str) -> Any:  # noqa: ANN401 - JSON
    """What the only line of this event says."""
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines()]
    (found,) = [line["data"] for line in lines if re.fullmatch(event, line["event"])]
    return found
