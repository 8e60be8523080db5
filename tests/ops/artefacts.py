"""What the dashboards, alerts and documents say, read back as data for the tests beside it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
RULES = ROOT / "prometheus/rules/mm.yml"


def load_yaml(path: str) -> Any:  # noqa: ANN401 - a document of any shape
    return yaml.safe_load((ROOT / path).read_text())


def dashboard(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something: rows are only headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def alerts() -> list[dict[str, Any]]:
    groups = load_yaml("prometheus/rules/mm.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """(where it stands, PromQL) of every panel, annotation and alert."""
    for path in DASHBOARDS:
        board = dashboard(path)
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}: {target['legendFormat']}", target["expr"]
        for note in board["annotations"]["list"]:
            yield f"{path.stem}: {note['name']}", note["expr"]
    for alert in alerts():
        yield f"alert: {alert['alert']}", alert["expr"]


def filled_in(query: str, interval: str) -> str:
    """A panel's query as Grafana would send it."""
    values = {"instrument": ".+", "horizon": "5", "__rate_interval": interval}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], query)


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\bmm_\w+", query))


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
