"""A copy of the ledger, made as the handbook says, is restored, and the rest is fetched."""

import re
import subprocess
from pathlib import Path

from tests.app.processes import ROOT, Exchange, Process, daemon, ledger, same_fills, until

OPERATIONS = (ROOT / "docs/operations.md").read_text()


def test_a_copy_by_the_documented_command_is_restored_and_completed(
    tmp_path: Path, exchange: Exchange
) -> None:
    (command,) = re.findall(r"^python3 -c .*backup\.db$", OPERATIONS, re.MULTILINE)
    first = daemon(tmp_path, exchange)
    until(lambda: first.matches('"Fill"'), "the first fill")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, timeout=60)
    known = len(first.matches('"Fill"'))
    until(lambda: len(first.matches('"Fill"')) > known + 3, "fills after the copy")
    assert first.stop() == 0

    (path,) = (tmp_path / "data").glob("ledger-*.db")
    path.write_bytes((tmp_path / "backup.db").read_bytes())
    kept = len(ledger(tmp_path))
    assert kept > 0
    second = daemon(tmp_path, exchange, "--halted", log_name="second.log")
    until(lambda: second.matches("Link up"), "the second start")
    until(lambda: second.matches("Halted before this start.*--halted"), "its halt")
    command = Process(tmp_path / "resume.log", "resume", "--set", f"daemon.data_dir={path.parent}")
    assert command.process.wait(60) == 0
    until(lambda: second.matches("Quoting bid"), "quotes after the resume")
    assert second.stop() == 0
    log = second.log.read_text()
    assert log.index("Quoting bid") > log.index("Command: resume")

    assert same_fills(tmp_path, exchange)
    assert len(ledger(tmp_path)) > kept + 3
    assert not second.matches("Position differs")
