"""A real Prometheus scrapes the real daemon, and answers every query of dashboards and alerts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.ops.artefacts import ROOT, RULES, alerts, filled_in, queries

pytestmark = pytest.mark.prometheus

T = TypeVar("T")
FILLED = 'min(mm_fills_total{status="quote"} offset 10s) > 0'
MAY_BE_EMPTY = (
    "alert:",  # a healthy daemon raises none
    "calibration: Alert",
    "calibration: Calibration complete",
    "calibration: Time to completion",  # unknown, or over
    "operations: Alert",
    "operations: Blocked now",
    "operations: Refusals, by reason",
    "operations: Share of time blocked, by reason",
)


class Prometheus:
    """One server's HTTP interface; `errors` are those in the log of the daemon that it scrapes."""

    def __init__(self, port: int, log: Path) -> None:
        self._log = log
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON of any shape
        url = f"{self._base}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def errors(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if '"error"' in line]

    def query(self, expression: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return rows

    def value(self, expression: str) -> float | None:
        rows = self.query(expression)
        return float(rows[0]["value"][1]) if rows else None


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 60) -> T:
    """Poll until `look` gives something; a refused connection is nothing yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no {what} within {seconds} s")


@contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MM_", "COV"))}
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield running
        except BaseException as error:
            error.add_note(f"{log.name}:\n{log.read_text()[-2000:]}")
            raise
        finally:
            running.kill()
            running.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def page_of(log: Path) -> str | None:
    """host:port of the page that the daemon announces in its first lines."""
    for line in log.read_text().splitlines():
        if '"page"' in line:
            url: str = json.loads(line)["data"]["page"]
            return url.removeprefix("http://")
    return None


def configuration(folder: Path, target: str) -> Path:
    """The committed configuration, with this daemon as target and a second between scrapes."""
    text = (ROOT / "prometheus/prometheus.yml").read_text()
    for old, new in (("mm:8080", target), (": 5s", ": 1s"), ("rules/*.yml", str(RULES))):
        assert old in text
        text = text.replace(old, new)
    path = folder / "prometheus.yml"
    path.write_text(text)
    return path


@contextmanager
def scraped_daemon(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Prometheus]]:
    """`mm run`, and a Prometheus that has scraped it."""
    run = [sys.executable, "-m", "mm", "run", "--port", "0", "--speed", "10"]
    run += ["--set", f"daemon.data_dir={folder / 'data'}"]
    with process(run, folder / "mm.log") as daemon:
        target = wait_for("page", lambda: page_of(folder / "mm.log"))
        port = free_port()  # at the last moment: the daemon takes some itself
        watch = [
            "prometheus",
            f"--config.file={configuration(folder, target)}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with process(watch, folder / "prometheus.log"):
            server = Prometheus(port, folder / "mm.log")
            wait_for("scrape", lambda: server.value('up{job="mm"}'))
            yield daemon, server


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scraping, until the daemon has been filled often enough to fill every panel."""
    with scraped_daemon(tmp_path_factory.mktemp("scraped")) as (_, server):
        wait_for("history of fills", lambda: server.query(FILLED))
        yield server


def test_every_query_is_answered_and_every_panel_shows_something(prometheus: Prometheus) -> None:
    empty = []
    for where, query in queries():
        if not prometheus.query(filled_in(query, "10s")) and not where.startswith(MAY_BE_EMPTY):
            empty.append(where)
    assert not empty


def test_variables_of_the_dashboards_have_values(prometheus: Prometheus) -> None:
    assert prometheus.get("/api/v1/label/instrument/values") == ["BTC"]
    assert "5" in prometheus.get("/api/v1/label/horizon/values")


def test_the_rules_are_loaded_and_well_and_a_healthy_daemon_calls_nobody(
    prometheus: Prometheus,
) -> None:
    def evaluated() -> list[dict[str, Any]] | None:
        (group,) = prometheus.get("/api/v1/rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return None if any(rule["health"] == "unknown" for rule in rules) else rules

    rules = wait_for("evaluation", evaluated)
    assert {rule["name"] for rule in rules} == {alert["alert"] for alert in alerts()}
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == [], prometheus.errors()


def test_what_is_scraped_agrees_with_itself(prometheus: Prometheus) -> None:
    split = prometheus.value("abs(sum(mm_pnl_component_usd) - sum(mm_pnl_total_usd))")
    assert split is not None
    assert split < 1e-6
    assert prometheus.value("count(mm_state == 1)") == 1
    ordered = "mm_kappa_low_per_bps < mm_kappa_per_bps < mm_kappa_high_per_bps"
    assert prometheus.query(ordered)
    terms = "sum by (side) (mm_quote_term_bps)"
    assert len(prometheus.query(terms)) == 2


def test_a_daemon_that_is_gone_is_noticed(tmp_path: Path) -> None:
    with scraped_daemon(tmp_path) as (daemon, server):
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=60) == 0
        wait_for("alert", lambda: server.query('ALERTS{alertname="DaemonDown"}'))
