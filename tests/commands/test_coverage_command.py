"""`mm bench coverage`: what it prints is what the report says, and the same twice."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "mm", "bench", "coverage", "--quick", "--runs", "2")


def printed(*more: str) -> str:
    done = subprocess.run(
        [*COMMAND, *more], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_numbers_do_not_depend_on_the_number_of_processes_nor_on_how_they_are_shown() -> None:
    found = json.loads(printed("--json", "--workers", "2"))
    table = printed("--workers", "1").splitlines()

    assert [cell["runs"] for cell in found["cells"]] == [2, 2]
    assert found["arrivals"] == 100
    assert found["pooled"]["adverse"]["estimates"] == 8
    assert len(table) == 2 + 2 + 3
    shown = f"{found['pooled']['kappa']['bias']:+.1%}"
    assert table[-1].split()[3] == shown
