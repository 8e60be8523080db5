"""A real daemon on a disk that is really full."""

import signal
from pathlib import Path

from tests.app.processes import Exchange, Process, daemon, until
from tests.full_disk import fill, mounted


def test_a_halt_on_a_full_disk_survives_a_kill(tmp_path: Path, exchange: Exchange) -> None:
    """The ledger cannot take it: paused, nothing else is written meanwhile that would notice."""
    with mounted(tmp_path / "data", 30) as disk:
        data = f"daemon.data_dir={disk}"
        first = daemon(tmp_path, exchange, "--set", "daemon.checkpoint_interval_s=3600")
        until(lambda: first.matches("Link up"), "the link")
        paused = Process(tmp_path / "pause.log", "pause", "--set", data)
        assert paused.process.wait(60) == 0
        until(lambda: first.matches("paused"), "the pause")
        rest = fill(disk)
        halted = Process(tmp_path / "halt.log", "halt", "--set", data, "--reason", "test")
        assert halted.process.wait(60) == 0
        until(lambda: first.matches("Command: halt"), "the halt")
        first.stop(signal.SIGKILL)
        rest.unlink()

        second = daemon(tmp_path, exchange, log_name="second.log")
        until(lambda: second.matches("Link up"), "the second start")
        assert second.matches("Halted before this start.*test")
        assert second.stop() == 0
        assert not second.matches("Quoting")
