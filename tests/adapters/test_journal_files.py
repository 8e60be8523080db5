"""A journal of a long run: several files that read as one, and never more disk than is given."""

import os
from pathlib import Path

import pytest

from mm.adapters.journal import JournalError, JournalWriter, header, is_closed, read_journal
from mm.adapters.journal_files import PARTS, JournalFiles, continuations
from mm.core.settings import EngineSettings
from mm.model.actions import Step
from mm.model.events import Bbo
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_S

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
FIRST = header("0.1.0", "beef", BTC, EngineSettings())
START = 1_800_000_000 * NS_PER_S


def bbo(ts: int) -> Bbo:
    """No two compress into one another."""
    return Bbo(ts, ts, (hash((ts, 1)) / 7.0, hash((ts, 2)) / 7.0), None)


def kept(files: JournalFiles, path: Path, batches: int, length: int = 100) -> JournalWriter:
    """A writer, closed, that was given its events in batches; it may begin a file after each."""
    writer = JournalWriter(path, FIRST, flush_s=3600, files=files)
    for batch in range(batches):
        for number in range(length):
            writer.append(bbo(batch * length + number), Step())
        writer._drain()
    writer.close()
    assert (writer.failure, writer.dropped) == ("", 0)
    return writer


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_the_files_of_a_run_read_as_one(directory: Path) -> None:
    files = JournalFiles(directory, PARTS * 4_000)
    path = files.first("beef", "BTC", START)

    kept(files, path, batches=20)

    *_, last = continuations(path)
    assert len(list(continuations(path))) > 3
    assert is_closed(path)
    head, entries = read_journal(path)
    assert (head.run_id, head.continues) == ("beef", 0)
    assert [event.ts for event, _ in entries] == list(range(2_000))
    last.write_bytes(last.read_bytes()[:-1])
    assert not is_closed(path)


def test_a_run_that_never_ends_stays_within_its_disk(directory: Path) -> None:
    files = JournalFiles(directory, keep_bytes := 200_000)
    path = files.first("beef", "BTC", START)
    writer = JournalWriter(path, FIRST, flush_s=3600, files=files)
    largest = 0

    for batch in range(400):
        for number in range(100):
            writer.append(bbo(batch * 100 + number), Step())
        writer._drain()
        largest = max(largest, size(directory))
    writer.close()

    assert 0.8 * keep_bytes < largest <= keep_bytes
    assert not path.exists()
    assert writer.path.exists()
    with pytest.raises(JournalError, match=r"continues a run after \d+ .* no longer on the disk"):
        read_journal(writer.path)


def test_what_a_write_adds_to_a_file_that_is_almost_full_is_within_the_disk(
    directory: Path,
) -> None:
    files = JournalFiles(directory, PARTS * 1_000)
    path = files.first("beef", "BTC", START)
    for _ in range(2 * PARTS):
        path.write_bytes(bytes(1_500))
        assert size(directory) <= PARTS * 1_000
        path = files.next(path)


def test_the_oldest_runs_go_first(directory: Path) -> None:
    files = JournalFiles(directory, PARTS * 4_000)
    old = kept(files, files.first("aaaa", "BTC", START), batches=20).path
    start = old.with_name("1800000000-aaaa-BTC.mmj")
    assert start.exists()

    later = JournalFiles(directory, 24_000)
    path = later.first("beef", "ETH/X", START + NS_PER_S)
    kept(later, path, batches=1)

    assert path.name == "1800000001-beef-ETH_X.mmj"
    assert not start.exists()
    assert size(directory) <= 24_000


def test_no_file_that_is_being_written_goes(directory: Path) -> None:
    """A coin of which little is told beside one that fills its files."""
    files = JournalFiles(directory, PARTS * 2_000)
    quiet = JournalWriter(files.first("aaaa", "ETH", START), FIRST, flush_s=3600, files=files)

    kept(files, files.first("beef", "BTC", START), batches=200)
    quiet.append(bbo(1), Step())
    quiet.close()

    assert quiet.path.name == "1800000000-aaaa-ETH.mmj"
    assert [event.ts for event, _ in read_journal(quiet.path)[1]] == [1]
    assert size(directory) <= PARTS * 2_000


def test_a_continuation_names_its_beginning(directory: Path) -> None:
    files = JournalFiles(directory, PARTS * 4_000)
    path = files.first("beef", "BTC", START)
    last = kept(files, path, batches=10).path

    with pytest.raises(JournalError, match=rf"continues a run after \d+ events, read {path}"):
        read_journal(last)


def test_a_file_that_is_missing_in_the_middle_is_no_silent_end(directory: Path) -> None:
    files = JournalFiles(directory, PARTS * 4_000)
    path = files.first("beef", "BTC", START)
    kept(files, path, batches=20)
    second, third, *_ = continuations(path)
    third.replace(second)

    with pytest.raises(JournalError, match=r"does not continue after \d+ events of this run"):
        list(read_journal(path)[1])


def test_a_disk_that_refuses_the_next_file_ends_the_journal_not_the_run(directory: Path) -> None:
    files = JournalFiles(directory, PARTS * 4_000)
    path = files.first("beef", "BTC", START)
    path.with_name("1800000000-beef-BTC.1.mmj").mkdir()
    writer = JournalWriter(path, FIRST, flush_s=3600, files=files)
    for ts in range(1_000):
        writer.append(bbo(ts), Step())
    writer._drain()
    writer.append(bbo(1_000), Step())
    writer.close()

    assert writer.failure == f"cannot write journal {path}: File exists"
    assert writer.dropped == 1


def test_only_the_owner_may_enter_their_directory(directory: Path) -> None:
    """Wherever it is: journals hold all that was done."""
    before = os.umask(0)
    try:
        files = JournalFiles(directory, PARTS * 4_000)
        kept(files, files.first("beef", "BTC", START), batches=1)
    finally:
        os.umask(before)
    assert directory.stat().st_mode & 0o077 == 0
