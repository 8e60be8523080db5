"""The journal: what was given to the engine comes back, in order, up to the last whole record."""

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mm.adapters.journal import (
    JournalError,
    JournalHeader,
    JournalWriter,
    actions_hash,
    header,
    is_closed,
    read_journal,
)
from mm.core.settings import EngineSettings
from mm.model.actions import Cancel, Halt, Note, Place, Severity, Step
from mm.model.events import (
    Account,
    ActionBudget,
    Bbo,
    Book,
    Command,
    Event,
    Fees,
    Fill,
    Funding,
    Link,
    OpenOrder,
    OrderClosed,
    OrderOpened,
    Reference,
    RejectCode,
    Rejected,
    RequestKind,
    Start,
    Tick,
    Trade,
    Trades,
    Unresolved,
)
from mm.model.instrument import Instrument
from mm.model.units import Side

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
PLACE = Place("0x6d6d", Side.BID, 1, Decimal("100.10"), Decimal("0.001"))
ONE = Decimal("1.10")
EVENTS: list[Event] = [
    Start(1, "beef", ONE, -ONE, "drawdown", ONE, None, b"\x00\xff"),
    Link(2, True, ""),
    Book(3, 2, ((100.1, 0.3), (100.0, 1e-5)), ((0.1 + 0.2, 1.0),)),
    Bbo(4, 3, (100.1, 0.3), None),
    Trades(5, (Trade(4, 100.1, 0.1, Side.ASK, 2**50), Trade(4, 100.1, 0.2, Side.BID, 7))),
    Reference(6, 5, 100.0, 100.1, 1.25e-5),
    Fees(7, 1.5, 4.5),
    ActionBudget(8, 10, 10_000),
    ActionBudget(8, 10, 10_000, 3, 0.5, 7.0),
    OrderOpened(9, 8, "0x6d6d", 77),
    OrderClosed(10, 9, "0x6d6d", None, "canceled"),
    Rejected(11, "0x6d6d", RequestKind.MODIFY, RejectCode.NOT_OPEN, "gone", True),
    Unresolved(12, "0x6d6d", RequestKind.CANCEL),
    Fill(13, 12, 5, None, 77, Side.ASK, ONE, ONE, -ONE, ONE, False),
    Funding(14, 13, -ONE, 1e-5),
    Account(15, 14, 13, ONE, ONE, (OpenOrder(None, 3, Side.BID, ONE, ONE, False),)),
    Command(16, "pause", "operator", "lunch"),
    Tick(2**62),
]


def first() -> JournalHeader:
    return header("0.1.0", "beef", BTC, EngineSettings(label="PAPER"))


def written(path: Path, events: list[Event], step: Step) -> Path:
    writer = JournalWriter(path, first())
    for event in events:
        writer.append(event, step)
    writer.close()
    assert writer.failure == ""
    return path


def test_each_kind_of_event_comes_back_bit_for_bit(tmp_path: Path) -> None:
    step = Step((PLACE, Cancel("0x1")), (Note(1, Severity.INFO, "order", "x"),))

    head, entries = read_journal(written(tmp_path / "j.mmj", EVENTS, step))

    read = list(entries)
    assert [event for event, _ in read] == EVENTS
    assert [str(event) for event, _ in read] == [str(event) for event in EVENTS]
    assert {what for _, what in read} == {actions_hash(step)}
    assert head.settings_as(EngineSettings) == EngineSettings(label="PAPER")
    assert (head.instrument, head.run_id, head.version) == (BTC, "beef", "0.1.0")


def test_the_hash_tells_actions_apart_and_ignores_notes() -> None:
    note = Note(1, Severity.INFO, "order", "x")
    cheaper = structs.replace(PLACE, price=Decimal("100.1"))
    steps = [
        Step(),
        Step((PLACE,)),
        Step((PLACE, PLACE)),
        Step((cheaper,)),  # the same number, written differently: other bytes on the wire
        Step((Halt(""),)),
        Step((Halt("x"),)),
        Step((Cancel("x"),)),
    ]

    assert len({actions_hash(step) for step in steps}) == len(steps)
    assert actions_hash(Step((PLACE,), (note,))) == actions_hash(Step((PLACE,)))
    assert actions_hash(Step((), (note,))) == 0


DRAW = Random(7)
MANY: list[Event] = [Bbo(ts, ts, (DRAW.random(), DRAW.random()), None) for ts in range(20_000)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("journal") / "whole.mmj", MANY, Step((PLACE,)))


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1))
def test_a_cut_file_reads_as_a_prefix(whole: Path, share: float) -> None:
    content = whole.read_bytes()
    cut = whole.with_name("cut.mmj")
    cut.write_bytes(content[: int(share * len(content))])

    try:
        _, entries = read_journal(cut)
    except JournalError:  # not even the header is whole
        assert share < 0.5
        return
    events = [event for event, _ in entries]

    assert events == MANY[: len(events)]
    assert len(events) > share * len(MANY) - 4_000  # a block of 128 KiB is lost at most


WRITE_AND_HANG = """
import sys, time
from pathlib import Path
from mm.adapters.journal import JournalWriter, header
from mm.core.settings import EngineSettings
from mm.model.actions import Step
from mm.model.events import Tick
from mm.model.instrument import Instrument

btc = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
writer = JournalWriter(Path(sys.argv[1]), header("0", "beef", btc, EngineSettings()), 0.01)
for ts in range(1000):
    writer.append(Tick(ts), Step())
while writer._pending:
    time.sleep(0.01)
time.sleep(0.1)
print("written", flush=True)
for ts in range(1000, 10**9):
    writer.append(Tick(ts), Step())
    time.sleep(0.0001)
"""


def test_kill_9_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    path = tmp_path / "j.mmj"
    arguments = [sys.executable, "-c", WRITE_AND_HANG, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)

    times = [event.ts for event, _ in read_journal(path)[1]]

    assert not is_closed(path)
    assert len(times) >= 1000
    assert times == list(range(len(times)))


def test_only_a_file_cut_nowhere_is_closed(whole: Path) -> None:
    content, cut = whole.read_bytes(), whole.with_name("last_byte.mmj")
    cut.write_bytes(content[:-1])

    assert is_closed(whole)
    assert not is_closed(cut)


def test_damage_in_the_middle_is_an_error_not_an_end(tmp_path: Path) -> None:
    path = written(tmp_path / "j.mmj", EVENTS * 2000, Step())
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(content))

    with pytest.raises(JournalError, match="damaged"):
        list(read_journal(path)[1])


def test_a_gap_ends_the_replay_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm.adapters.journal.MAX_PENDING", 3)
    writer = JournalWriter(tmp_path / "j.mmj", first(), flush_s=60)
    for ts in range(5):
        writer.append(Tick(ts), Step())
    assert writer.dropped == 2
    monkeypatch.setattr("mm.adapters.journal.MAX_PENDING", 10)
    writer.append(Tick(5), Step())
    writer.close()

    _, entries = read_journal(tmp_path / "j.mmj")

    assert [next(entries)[0].ts for _ in range(3)] == [0, 1, 2]
    with pytest.raises(JournalError, match="2 events before record 4 were not written"):
        next(entries)


def test_a_failing_disk_stops_the_journal_not_the_caller(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j.mmj", first(), flush_s=60)
    writer._file.close()
    writer._file = open("/dev/full", "wb")  # noqa: SIM115 - closed by the writer
    writer.append(Tick(1), Step())
    writer.close()

    assert writer.failure == f"cannot write journal {writer.path}: No space left on device"
    writer.append(Tick(2), Step())
    assert writer.dropped == 1


def test_a_number_that_has_no_room_in_a_record_is_told_and_counted(tmp_path: Path) -> None:
    """The thread died of it without a word."""
    writer = JournalWriter(tmp_path / "j.mmj", first(), flush_s=60)
    writer.append(Tick(2**70), Step())
    writer.close()

    assert writer.failure.startswith("cannot write journal")
    writer.append(Tick(2), Step())
    assert writer.dropped == 1


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path / "j.mmj", [], Step())

    with pytest.raises(JournalError, match=r"cannot write journal .*: File exists"):
        JournalWriter(path, first())


@pytest.mark.parametrize("content", [b"", b"not a journal", b"\x28\xb5\x2f\xfd"])
def test_something_else_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.mmj"
    path.write_bytes(content)

    with pytest.raises(JournalError, match="not a journal"):
        read_journal(path)


def test_a_missing_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot read journal .*No such file"):
        read_journal(tmp_path / "none.mmj")


def test_another_format_names_the_version_that_reads_it(tmp_path: Path) -> None:
    newer = structs.replace(first(), format=9, version="7.0")
    JournalWriter(tmp_path / "j.mmj", newer).close()

    with pytest.raises(JournalError, match=r"format 9, this mm reads 1: replay it with mm 7\.0"):
        read_journal(tmp_path / "j.mmj")


def test_settings_of_another_shape_are_told(tmp_path: Path) -> None:
    odd = header("0.0.9", "beef", BTC, {"strategy": {"gamma": "much"}})

    with pytest.raises(JournalError, match=r"journal of mm 0\.0\.9: settings differ"):
        odd.settings_as(EngineSettings)
