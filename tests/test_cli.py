"""The command line as its user meets it: exit codes, one clear line, no traceback."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from mm.adapters.data_dir import DataDir, Runtime
from mm.commands import control
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.instrument import Instrument

ROOT = Path(__file__).parents[1]
TAPE = ROOT.parent / "shared" / "data" / "hyperliquid" / "btc_20250126.gz"
KEY = "0x" + "ab" * 32
LIMIT_S = 60
HEAVY = ("pydantic", "numpy", "aiohttp", "websockets", "structlog", "sqlite3", "uvloop")


def mm(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MM_")}
    return subprocess.run(
        [sys.executable, "-m", "mm", *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line that explains a refusal."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("mm: ")
    return line


# -- usage --------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_loads_nothing_heavy(tmp_path: Path) -> None:
    done = mm("--help", cwd=tmp_path)
    loaded = f"import sys, mm.cli; print([m for m in {HEAVY} if m in sys.modules])"
    quick = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.returncode == 0
    assert all(name in done.stdout for name in ("run", "exchange", "status", "doctor", "replay"))
    assert quick.stdout.strip() == "[]"


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert re.fullmatch(r"mm \d+\.\d+\.\d+\n", mm("--version", cwd=tmp_path).stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("run", "--bogus"),
        ("run", "--duration", "-1"),
        ("run", "--seed", "x"),
        ("run", "--tape", "x", "--scenario", "thin"),
        ("exchange", "--tape", "x", "--scenario", "thin"),
        ("run", "--set", "venue.network=paper", "--tape", "x"),
        ("run", "--set", "venue.network=paper", "--speed", "2"),
        ("replay",),
        ("data",),
        ("config", "bogus"),
    ],
    ids=" ".join,
)
def test_a_wrong_usage_is_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = mm(*arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert "Usage: " in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_closed_standard_streams_do_no_harm(tmp_path: Path) -> None:
    """A ledger or socket in the place of standard error would be written over by log lines."""
    command = [sys.executable, "-m", "mm", "run", "--port", "0", "--duration", "0"]
    inner = f"import os; os.closerange(0, 3); os.execv({sys.executable!r}, {command})"
    done = subprocess.run(
        [sys.executable, "-c", inner],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=LIMIT_S,
        check=False,
    )

    assert done.returncode == 0


# -- configuration ------------------------------------------------------------------------------


GAMA, CHECK = "strategy.gama=1", ("config", "check")


@pytest.mark.parametrize(
    ("command", "setting", "complaint"),
    [
        (("run", "--duration", "0"), GAMA, "did you mean strategy.gamma?"),
        (("exchange",), GAMA, "did you mean strategy.gamma?"),
        (("status",), GAMA, "did you mean strategy.gamma?"),
        (CHECK, "strategy.gamma=-1", "strategy.gamma = '-1' (--set): input should be greater"),
        (CHECK, "venue.network=testnet", "needs a key: set MM_VENUE__PRIVATE_KEY or"),
        (CHECK, "web.host=0.0.0.0", "set MM_WEB__TOKEN first"),
        (CHECK, f"venue.private_key={KEY}", "may not stand in --set: use MM_VENUE__PRIVATE_KEY"),
    ],
)
def test_a_wrong_configuration_is_exit_4(
    tmp_path: Path, command: tuple[str, ...], setting: str, complaint: str
) -> None:
    line = refused(mm(*command, "--set", setting, cwd=tmp_path), 4)

    assert complaint in line
    assert "abab" not in line
    assert not list(tmp_path.iterdir()), "refused before anything was written"


def test_mainnet_needs_its_second_key(tmp_path: Path) -> None:
    done = mm("run", "--set", "venue.network=mainnet", cwd=tmp_path, MM_VENUE__PRIVATE_KEY=KEY)

    assert "set venue.allow_mainnet = true as well" in refused(done, 4)


def test_a_flag_is_named_in_its_error(tmp_path: Path) -> None:
    assert "web.port = 70000 (--port): " in refused(mm("run", "--port", "70000", cwd=tmp_path), 4)


def test_an_unknown_scenario_names_the_nearest(tmp_path: Path) -> None:
    line = refused(mm("run", "--scenario", "liqid", "--port", "0", cwd=tmp_path), 4)

    assert "exchange.scenario: unknown scenario 'liqid'" in line
    assert "liquid" in line


def test_unknown_faults_name_the_known_ones(tmp_path: Path) -> None:
    line = refused(mm("exchange", "--port", "0", "--faults", "strom", cwd=tmp_path), 4)

    assert "exchange.faults: no faults named 'strom': one of none, drops," in line
    assert "storm" in line


def test_show_tells_values_and_sources_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[strategy]\nlevels = 3\n")
    arguments = ("config", "show", "-c", "my.toml", "--set", "web.port=9000")

    plain = mm(*arguments, cwd=tmp_path, MM_VENUE__PRIVATE_KEY=KEY, MM_STRATEGY__GAMMA="0.2").stdout
    told = json.loads(mm(*arguments, "--json", cwd=tmp_path, MM_CONFIG="my.toml").stdout)

    rows = dict(re.split(r"\s+= ", line, maxsplit=1) for line in plain.splitlines())
    assert re.fullmatch(r"3\s+# my\.toml:2", rows["strategy.levels"])
    assert re.fullmatch(r"0\.2\s+# env MM_STRATEGY__GAMMA", rows["strategy.gamma"])
    assert re.fullmatch(r"9000\s+# --set", rows["web.port"])
    assert re.fullmatch(r"\*{3}\s+# env MM_VENUE__PRIVATE_KEY", rows["venue.private_key"])
    assert "abab" not in plain
    assert told["strategy.levels"] == {"value": "3", "source": "my.toml:2"}


def test_the_config_file_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[strategy]\nlevels = 99\n")

    line = refused(mm("config", "check", cwd=tmp_path, MM_CONFIG="my.toml"), 4)

    assert line.startswith("mm: strategy.levels = 99 (my.toml:2): ")


def test_check_default_and_schema(tmp_path: Path) -> None:
    assert mm("config", "check", cwd=tmp_path).stdout == "config is valid\n"
    default = mm("config", "default", cwd=tmp_path).stdout
    assert tomllib.loads(default)["stochastic"]["target_fill_rate_per_hour"] == 10.0
    assert "strategy" in json.loads(mm("config", "schema", cwd=tmp_path).stdout)["properties"]


# -- what the machine refuses -------------------------------------------------------------------


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = refused(mm("run", "--port", port, "--duration", "1", cwd=tmp_path), 1)
        exchange = refused(mm("exchange", "--port", port, cwd=tmp_path), 1)

    assert f"cannot listen on 127.0.0.1:{port}" in run
    assert "web.port" in run
    assert f"cannot listen on 127.0.0.1:{port}" in exchange
    assert "exchange.port" in exchange


def test_an_unwritable_data_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    line = refused(mm("run", "--port", "0", "--duration", "1", cwd=tmp_path), 1)

    assert line == (
        "mm: cannot write data directory data: File exists; "
        "fix its permissions or set daemon.data_dir"
    )


@pytest.mark.parametrize("command", [("run", "--port", "0", "--tape"), ("data", "info")])
@pytest.mark.parametrize(("content", "complaint"), [(None, "No such file"), ("x\n", "not a tape")])
def test_a_bad_tape_is_told(
    tmp_path: Path, command: tuple[str, ...], content: str | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "tape").write_text(content)

    line = refused(mm(*command, "tape", cwd=tmp_path), 1)

    assert "tape: " in line
    assert complaint in line


def test_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "j.mmj").write_text("x")

    line = refused(mm("replay", "j.mmj", cwd=tmp_path), 1)

    assert line.startswith("mm: j.mmj is ")
    assert "not a journal" in line


def test_debug_shows_where(tmp_path: Path) -> None:
    done = mm("replay", "none.mmj", cwd=tmp_path, MM_DEBUG="1")

    assert done.returncode == 1
    assert "Traceback" in done.stderr


# -- a daemon that is not there -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "pause", "resume", "halt"])
def test_without_a_daemon_it_is_exit_3(tmp_path: Path, command: str) -> None:
    line = refused(mm(command, cwd=tmp_path), 3)

    assert line.startswith("mm: no daemon runs on data: start one with `mm run`")


def announced(path: Path, url: str) -> DataDir:
    directory = DataDir.open(path)
    directory.announce(Runtime(pid=1, url=url, run_id="beef", version="0", start_ns=0))
    return directory


def test_a_daemon_that_died_is_not_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    directory = announced(tmp_path / "data", url)

    line = refused(mm("status", cwd=tmp_path), 3)
    directory.close()

    assert line.startswith(f"mm: no daemon answers at {url}")


def test_a_daemon_that_starts_is_not_taken_for_the_dead_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    dead = Runtime(pid=1, url="http://127.0.0.1:1", run_id="beef", version="0", start_ns=0)
    (tmp_path / "data" / "daemon.json").write_bytes(msgspec.json.encode(dead))
    directory = DataDir.open(tmp_path / "data")

    line = refused(mm("status", cwd=tmp_path), 3)
    directory.close()

    pid = os.getpid()
    assert (
        line == f"mm: a daemon (pid {pid}) is starting or stopping on data: ask again in a moment"
    )


def test_a_daemon_without_web_cannot_be_asked(tmp_path: Path) -> None:
    directory = announced(tmp_path / "data", "")

    line = refused(mm("status", cwd=tmp_path), 3)
    directory.close()

    assert "web.enabled = true" in line


def test_a_daemon_that_hangs_is_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        directory = announced(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(control.TimedOut, match=r"did not answer in 0\.2 s") as caught:
            control.status([], [f"daemon.data_dir={tmp_path}"], as_json=False)
        directory.close()

    assert caught.value.exit_code == 5


def test_a_daemon_that_has_seen_nothing_yet_is_told_without_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    btc = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
    view = msgspec.to_builtins(Engine(EngineSettings(), btc).view())
    answer = {"ready": False, "reason": "starting", "instruments": ["BTC"], "view": view}
    monkeypatch.setattr(control, "_call", lambda *_: answer)

    control.status([], [f"daemon.data_dir={tmp_path}"], as_json=False)

    first, market, *_ = capsys.readouterr().out.splitlines()
    assert first == "BTC EMBEDDED  starting, not ready: starting"
    assert market.startswith("market       fair ?  σ ? bps/√s  κ ? /bps")


def test_status_counts_arrivals_and_signs_every_part_as_it_counts_towards_the_total(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    btc = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
    view = msgspec.to_builtins(Engine(EngineSettings(), btc).view())
    view["pnl"] |= {"total": "1.15", "spread": "1.25", "adverse": "-0.5", "fees": "0.6"}
    view["calibration"] |= {"fill_count": 12, "eta_s": 8.7}
    view["safety"]["state"] = "halted"
    answer = {"ready": False, "reason": "halted", "instruments": ["BTC"], "view": view}
    monkeypatch.setattr(control, "_call", lambda *_: answer)

    control.status([], [f"daemon.data_dir={tmp_path}"], as_json=False)

    lines = capsys.readouterr().out.splitlines()
    (pnl,) = (line for line in lines if line.startswith("pnl"))
    parts = "spread +1.25, adverse +0.50, inventory +0.00, fees -0.60, funding +0.00"
    assert pnl == f"pnl          1.15 USD = {parts}"
    (calibration,) = (line for line in lines if line.startswith("calibration"))
    assert calibration.endswith("12 arrivals, no ETA while halted")


def test_status_speaks_in_numbers_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    btc = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
    view = msgspec.to_builtins(Engine(EngineSettings(), btc).view())
    view["safety"] |= {
        "action_budget_left": 160_988,
        "pace": {"per_s": 204.3, "band_bps": 0.254, "levels": 3},
    }
    view["market"] |= {"fair": 61_234.56789, "arrival": {"value": 1234.5, "low": 0.5, "high": 2e4}}
    view["bid"] |= {"blocked": "", "depth_bps": 6.67561, "binding": "optimum"}
    view["bid"]["terms"] = [{"name": "spread", "bps": 6.67561}]
    answer = {"ready": True, "reason": "", "instruments": ["BTC"], "view": view}
    monkeypatch.setattr(control, "_call", lambda *_: answer)

    control.status([], [f"daemon.data_dir={tmp_path}"], as_json=False)

    shown = capsys.readouterr().out
    assert "actions      160,988 left, 204/s: levels 3, moved when 0.25 bps off" in shown
    assert "bid          6.68 bps = spread 6.68 (optimum)" in shown
    assert "fair 61,234.568 " in shown
    assert "A 1,234 (0.5..20,000) /s" in shown


# -- recordings ---------------------------------------------------------------------------------


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    if not TAPE.exists():
        pytest.skip(f"the shared recordings are missing: no {TAPE.name} in ../shared/data")
    return Path(shutil.copy(TAPE, tmp_path / TAPE.name))


def test_a_tape_is_described_and_converted(tmp_path: Path, tape: Path) -> None:
    told = json.loads(mm("data", "info", tape.name, "--json", cwd=tmp_path).stdout)
    converted = mm("data", "convert", tape.name, "out.zst", cwd=tmp_path)
    again = json.loads(mm("data", "info", "out.zst", "--json", cwd=tmp_path).stdout)

    assert (told["venue"], told["coin"], told["lines"]) == ("hyperliquid", "BTC", 55)
    assert converted.returncode == 0
    assert {**again, "path": "", "size_bytes": 0} == {**told, "path": "", "size_bytes": 0}
    assert "prints " in mm("data", "info", tape.name, cwd=tmp_path).stdout
    line = refused(mm("data", "convert", tape.name, "out.zst", cwd=tmp_path), 1)
    assert "out.zst: exists already" in line


# -- doctor -------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_wrong_with_a_bare_start(tmp_path: Path) -> None:
    done = mm("doctor", "--set", "web.port=0", "--json", cwd=tmp_path)

    findings = json.loads(done.stdout)
    assert done.returncode == 0
    assert {f["level"] for f in findings} <= {"ok", "warn"}
    assert {"config", "data dir", "disk", "port", "market"} <= {f["check"] for f in findings}


def test_the_doctor_names_each_problem_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger-embedded.db").write_bytes(b"garbage" * 1000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mm("doctor", "--set", f"web.port={port}", cwd=tmp_path)

    assert done.returncode == 1
    assert f"127.0.0.1:{port}: Address already in use" in done.stdout
    assert "-> stop what uses it, or set web.port" in done.stdout
    assert "ledger-embedded.db is damaged" in done.stdout


def test_the_doctor_tells_a_wrong_configuration(tmp_path: Path) -> None:
    done = mm("doctor", "--set", "venue.network=testnet", cwd=tmp_path)

    assert done.returncode == 4
    assert "fail config" in done.stdout
