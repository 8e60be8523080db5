"""`mm run` and `mm exchange` on a recording that is damaged in places."""

import json
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mm.adapters.tape_lines import TapeReport, raw_lines
from tests.app.processes import Process

RECORDING = Path(__file__).parents[2].parent / "shared/data/binance-usdm/btcusdt_20240808.gz"
LINES = 24_000
"""A minute and a half."""
DAMAGE = {"no time stamp": 3, "not JSON": 1}
PARTS = ("spread_usd", "adverse_usd", "inventory_usd", "fees_usd", "funding_usd")

pytestmark = pytest.mark.skipif(
    not RECORDING.exists(), reason=f"the recordings are missing: {RECORDING} is not there"
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    lines = list(islice(raw_lines(RECORDING, TapeReport()), LINES))
    stamp, _, frame = lines[3_000].partition(b" ")
    lines[3_000] = stamp + b" " + frame[:40]
    lines[1_000:1_003] = [b"rubbish", b"{}", b"soon {}"]
    path = tmp_path / "recording"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_the_exchange_ends_with_it_and_says_what_was_bad(tmp_path: Path, tape: Path) -> None:
    command = Process(
        tmp_path / "log", *("exchange", "--port", "0", "--tape", str(tape), "--speed", "50")
    )

    assert command.process.wait(60) == 0
    told = command.log.read_text().splitlines()
    bad = "; ".join(f"{count} {reason}" for reason, count in DAMAGE.items())
    assert told[-2] == "the recording has ended"
    assert told[-1] == f"recording: {LINES} lines read, bad ones left out: {bad}"


def test_the_daemon_quotes_both_sides_on_it_and_keeps_its_books(tmp_path: Path, tape: Path) -> None:
    command = Process(
        tmp_path / "log", *("run", "--port", "0", "--tape", str(tape), "--speed", "10"),
        *("--set", "stochastic.volatility.max_warmup_s=3"),
    )  # fmt: skip

    assert command.process.wait(60) == 0, command.log.read_text()
    told: list[dict[str, Any]] = [json.loads(line) for line in command.log.read_text().splitlines()]
    assert "error" not in {line["level"] for line in told}
    quoting = [line["event"] for line in told if line["topic"] == "quote"]
    assert set(quoting[-2:]) == {"Quoting bid", "Quoting ask"}, "and nothing has stopped it since"
    (read,) = (line["data"] for line in told if line["event"] == "Tape")
    assert (read["lines"], read["bad"]) == (LINES, DAMAGE)
    (made,) = (line["data"] for line in told if line["event"] == "Session")
    parts = sum(Decimal(made[part]) for part in PARTS)
    assert abs(Decimal(made["pnl_usd"]) - parts) <= Decimal("0.0003"), "each to four digits"
