"""Alert rules: valid, tested by promtool, and each with words and a runbook for who is woken."""

import re
import subprocess
from typing import Any

import pytest

from tests.ops.artefacts import ROOT, alerts, load_yaml

OPERATIONS = (ROOT / "docs/operations.md").read_text()
RULE_TESTS = ROOT / "prometheus/tests/mm_test.yml"


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments],
        check=False,
        cwd=ROOT / "prometheus",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", "prometheus.yml")


@pytest.mark.prometheus
def test_the_rules_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", str(RULE_TESTS))


def test_names_are_unique() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names)) >= 11


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_is_wrong_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    words = alert["annotations"]
    assert words.keys() == {"summary", "description", "runbook"}
    file, _, anchor = words["runbook"].partition("#")
    assert (ROOT / file).is_file()
    assert anchor == alert["alert"].lower()
    assert re.search(rf"^### {alert['alert']}$", OPERATIONS, re.MULTILINE), "no runbook"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_seen_firing_in_the_rule_tests(alert: dict[str, Any]) -> None:
    assert f'alertname="{alert["alert"]}"' in RULE_TESTS.read_text()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_a_runbook_has_three_things_to_do_first(alert: dict[str, Any]) -> None:
    text = OPERATIONS.split(f"### {alert['alert']}\n")[1].split("\n#")[0]
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == ["1", "2", "3"]
    meaning = text.strip().partition("\n\n")[0]
    assert re.match(rf"\*{alert['labels']['severity']}\.\* \w", meaning)


def test_no_runbook_outlives_its_alert() -> None:
    chapter = OPERATIONS.split("## Alerts\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", chapter, re.MULTILINE)) == {a["alert"] for a in alerts()}


def test_every_rule_file_is_loaded_and_the_daemon_is_the_target() -> None:
    config = load_yaml("prometheus/prometheus.yml")
    assert config["rule_files"] == ["rules/*.yml"]
    (job,) = config["scrape_configs"]
    (static,) = job["static_configs"]
    assert (job["job_name"], static["targets"]) == ("mm", ["mm:8080"])
    assert "mm" in load_yaml("docker-compose.yml")["services"]
