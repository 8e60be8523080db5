"""The commands against a daemon and an exchange that really run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mm.adapters.data_dir import read_runtime, read_token
from tests.patience import Stopwatch

ROOT = Path(__file__).parents[1]
KEY = "0x" + "cd" * 32
LIMIT_S = 60.0


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MM_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def mm(cwd: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mm", *arguments],
        cwd=cwd,
        env={**environment(), **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


class Started:
    """A command that stays, its output in a file."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.cwd = cwd
        self._log = cwd / f"{arguments[0]}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mm", *arguments],
                cwd=cwd,
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str) -> str:
        """The first match in the output; fails loudly if the process ends or time is up."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(pattern, self.output()):
                return found[1] if found.groups() else found[0]
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in:\n{self.output()}")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """(exit code, seconds that it took)."""
        with Stopwatch() as watch:
            self.process.send_signal(number)
            code = self.process.wait(LIMIT_S)
        return code, watch.elapsed_s


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path, "run", "--port", "0", "--set", "recorder.journal_flush_s=0.1")
    started.wait_for("Quoting ask")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path, "exchange", "--port", "0", "--scenario", "thin", "--seed", "3")
    started.wait_for("exchange listens")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


def state(daemon: Started) -> dict[str, object]:
    done = mm(daemon.cwd, "status", "--json")
    assert done.returncode == 0, done.stderr
    safety: dict[str, object] = json.loads(done.stdout)["view"]["safety"]
    return safety


def test_a_daemons_life_from_the_command_line(daemon: Started) -> None:
    cwd = daemon.cwd
    shown = mm(cwd, "status")
    assert shown.returncode == 0, shown.stderr
    assert re.match(r"BTC EMBEDDED  quoting, ", shown.stdout)
    assert "calibration " in shown.stdout
    assert re.search(r"\nactions +[\d,]+ left, [\d.]+/s: levels [1-5], moved when ", shown.stdout)

    second = mm(cwd, "run", "--port", "0")
    assert second.returncode == 1
    assert re.fullmatch(r"mm: another daemon \(pid \d+\) runs on data: .*\n", second.stderr)

    doctor = mm(cwd, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert f"in use by the daemon, pid {daemon.process.pid}" in doctor.stdout

    foreign = mm(cwd, "pause", MM_WEB__TOKEN="not the daemon's token")
    assert foreign.returncode == 1
    assert foreign.stderr.startswith("mm: the daemon refused the token: set MM_WEB__TOKEN")

    assert mm(cwd, "pause", "--reason", "lunch").stdout == "pause accepted\n"
    assert state(daemon)["state"] == "paused"
    assert mm(cwd, "resume").stdout == "resume accepted\n"
    assert state(daemon)["state"] != "paused"
    assert mm(cwd, "halt", "--flatten", "--reason", "enough").stdout == "flatten accepted\n"
    assert re.search(r"(?s) halted, .*\nflatten +(waiting|closing|flat)", mm(cwd, "status").stdout)
    assert "enough" in str(state(daemon)["halt_reason"])

    assert read_runtime(cwd / "data") is not None
    token = read_token(cwd / "data")
    assert len(token) > 20
    code, took_s = daemon.stop()
    assert code == 0, daemon.output()
    assert took_s < 5.0
    assert mm(cwd, "status").returncode == 3
    assert token not in daemon.output()
    levels = {json.loads(line)["level"] for line in daemon.output().splitlines()}
    assert "error" not in levels, daemon.output()

    (journal,) = (cwd / "data" / "journal").glob("*.mmj")
    replayed = mm(cwd, "replay", str(journal), "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert json.loads(replayed.stdout)["acting"] > 0
    assert re.search(r"all \d+ events that caused actions", mm(cwd, "replay", str(journal)).stdout)
    costs = json.loads(mm(cwd, "bench", "turn", str(journal), "--json").stdout)
    assert costs[-1]["event"] == "all"
    assert costs[-1]["count"] == json.loads(replayed.stdout)["events"]


def test_a_halt_holds_on_the_next_embedded_exchange_until_resume(daemon: Started) -> None:
    said = [json.loads(line) for line in daemon.output().splitlines()]
    (truth,) = [line for line in said if line["event"].startswith("The market is generated")]
    assert min(truth["data"]["kappa_per_bps"], truth["data"]["arrival_per_s"]) > 0
    assert any(line["event"].startswith("A new exchange and a new account") for line in said)
    assert mm(daemon.cwd, "halt", "--reason", "lunch").stdout == "halt accepted\n"
    assert daemon.stop()[0] == 0

    again = Started(daemon.cwd, "run", "--port", "0")
    try:
        again.wait_for("Halted before this start")
        again.wait_for(r"mm \S+ on EMBEDDED")
        assert state(again)["state"] == "halted"
        assert "lunch" in str(state(again)["halt_reason"])
        assert mm(again.cwd, "resume").stdout == "resume accepted\n"
        again.wait_for("Quoting ask")
        assert again.stop()[0] == 0
    finally:
        again.process.kill()
        again.process.wait()


def test_ctrl_c_ends_it_like_sigterm(tmp_path: Path) -> None:
    daemon = Started(tmp_path, "run", "--port", "0")
    daemon.wait_for("Link up")

    code, took_s = daemon.stop(signal.SIGINT)

    assert code == 0
    assert took_s < 5.0
    lines = [json.loads(line) for line in daemon.output().splitlines()]
    told = [line["event"] for line in lines]
    stop, closed = told.index("Stopping: asked to by a signal"), told.index("Link closed")
    assert stop < closed < told.index("Stopped: nothing rests"), "the order in which it happens"
    assert {line["level"] for line in lines[stop:]} == {"info"}
    verdict = lines[told.index("Stopped: nothing rests")]["data"]
    assert verdict["resting"] == 0
    assert set(verdict) == {"orders", "resting", "position"}


def test_a_duration_ends_it(tmp_path: Path) -> None:
    done = mm(tmp_path, "run", "--port", "0", "--duration", "1")

    assert done.returncode == 0, done.stderr
    assert "the given duration is over" in done.stderr


def test_the_start_says_how_long_each_of_its_phases_took(tmp_path: Path) -> None:
    done = mm(tmp_path, "run", "--port", "0", "--duration", "0.1")
    told = [json.loads(line).get("data", {}) for line in done.stderr.splitlines()]
    (start,) = (data for data in told if "start_s" in data)
    phases = [start[phase] for phase in ("local_s", "venue_s", "engine_s")]

    assert all(phase > 0.0 for phase in phases)
    assert sum(phases) == pytest.approx(start["start_s"], abs=0.002)


def test_the_exchange_prints_its_truth_answers_and_leaves(exchange: Started) -> None:
    url = exchange.wait_for(r"exchange listens on (\S+)")
    request = urllib.request.Request(
        f"{url}/info", b'{"type":"meta"}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
        meta = json.load(reply)

    assert meta["universe"][0]["name"] == "BTC"
    assert re.search(r"market: thin BTC, seed 3, 5x\n  kappa +0\.\d+", exchange.output())
    code, took_s = exchange.stop()
    assert code == 0
    assert took_s < 5.0


def test_the_doctor_examines_the_account(exchange: Started) -> None:
    url = exchange.wait_for(r"exchange listens on (\S+)")
    sets = ("venue.network=local", f"venue.base_url={url}", "web.port=0")  # 8080 may be in use
    local = ("doctor", *(word for one in sets for word in ("--set", one)))

    well = mm(exchange.cwd, *local, MM_VENUE__PRIVATE_KEY=KEY)
    wrong = mm(exchange.cwd, *local, "--set", "instruments.0.name=BTX", MM_VENUE__PRIVATE_KEY=KEY)

    assert well.returncode == 0, well.stdout + well.stderr
    for check in ("venue", "account", "clock", "account mode", "balance", "actions"):
        assert re.search(rf"^ok +{check} ", well.stdout, re.MULTILINE), well.stdout
    assert wrong.returncode == 1
    assert "unknown coin 'BTX'" in wrong.stdout
    assert "did you mean 'BTC'?" in wrong.stdout
