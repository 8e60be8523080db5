"""The data directory: private, one daemon at a time, found by the commands."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from mm.adapters.data_dir import (
    DataDir,
    DataDirError,
    Runtime,
    owner,
    read_runtime,
    read_token,
)

RUNTIME = Runtime(pid=1, url="http://127.0.0.1:1", run_id="beef", version="0", start_ns=1)


def test_it_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "data"

    DataDir.open(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_second_daemon_is_refused_until_the_first_leaves(tmp_path: Path) -> None:
    first = DataDir.open(tmp_path)

    with pytest.raises(DataDirError, match=r"another daemon \(pid \d+\) runs on .*: stop it"):
        DataDir.open(tmp_path)
    first.close()

    DataDir.open(tmp_path).close()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")

    with pytest.raises(DataDirError, match=r"cannot write data directory .*: File exists"):
        DataDir.open(path)


def test_a_start_forgets_where_a_dead_run_listened(tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_bytes(msgspec.json.encode(RUNTIME))

    directory = DataDir.open(tmp_path)

    assert read_runtime(tmp_path) is None
    assert owner(tmp_path) == os.getpid()
    directory.close()
    assert owner(tmp_path) is None


@pytest.mark.parametrize("left", ["", "x", "-", str(2**22 + 1), "9" * 40])
def test_a_lock_of_nobody_alive_has_no_owner(tmp_path: Path, left: str) -> None:
    (tmp_path / "lock").write_text(left)

    assert owner(tmp_path) is None


def test_commands_find_the_daemon_while_it_runs(tmp_path: Path) -> None:
    directory = DataDir.open(tmp_path)
    assert read_runtime(tmp_path) is None

    directory.announce(RUNTIME)

    assert read_runtime(tmp_path) == RUNTIME
    assert stat.S_IMODE((tmp_path / "daemon.json").stat().st_mode) == 0o600
    directory.close()
    assert read_runtime(tmp_path) is None


def test_a_damaged_runtime_file_is_no_daemon(tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_text("{")

    assert read_runtime(tmp_path) is None


def test_the_token_is_read_where_there_is_one(tmp_path: Path) -> None:
    assert read_token(tmp_path) == ""
    (tmp_path / "token").write_text("correct horse\n")
    assert read_token(tmp_path) == "correct horse"
