"""Dashboards and alerts speak of metrics that exist, and every gauge is shown or watched."""

import re
from pathlib import Path
from typing import Any

import pytest

from mm.adapters.metrics_table import METRICS, Kind, Spec
from tests.ops.artefacts import (
    DASHBOARDS,
    dashboard,
    load_yaml,
    metrics_in,
    panels,
    queries,
)

SPECS = {spec.name: spec for spec in METRICS}
BUILT_IN = {"__rate_interval"}
SUFFIXES = re.compile(r"_(bucket|sum|count)$")
TARGET_LABELS = {"instrument", "job", "instance", "alertstate"}


def spec_of(metric: str) -> Spec:
    if metric in SPECS:
        return SPECS[metric]
    spec = SPECS[SUFFIXES.sub("", metric)]
    assert spec.kind is Kind.HISTOGRAM, f"only a histogram has {metric}"
    return spec


def test_there_is_something_to_judge() -> None:
    assert {path.stem for path in DASHBOARDS} == {"calibration", "operations"}
    assert len(list(queries())) > 80


@pytest.mark.parametrize(
    ("where", "query"), [pytest.param(*pair, id=pair[0]) for pair in queries()]
)
def test_a_query_names_metrics_and_labels_that_exist(where: str, query: str) -> None:
    for metric in metrics_in(query):
        spec = spec_of(metric)
        for selector in re.findall(re.escape(metric) + r"\{([^}]*)\}", query):
            labels = set(re.findall(r"(\w+)\s*=", selector))
            assert labels <= {*spec.labels, *TARGET_LABELS}, f"{metric} has no {labels}"
    known = {label for metric in metrics_in(query) for label in spec_of(metric).labels}
    for clause in re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", query):
        labels = {label.strip() for label in clause.split(",")}
        assert labels <= {*known, *TARGET_LABELS, "le"}, f"{where}: no metric has {labels}"


@pytest.mark.parametrize(
    ("where", "query"), [pytest.param(*pair, id=pair[0]) for pair in queries()]
)
def test_a_counter_is_never_read_as_a_level(where: str, query: str) -> None:
    for metric in metrics_in(query):
        if spec_of(metric).kind is Kind.GAUGE:
            continue
        uses = len(re.findall(rf"\b{metric}\b", query))
        rates = len(re.findall(rf"(?:rate|increase)\({metric}\b", query))
        assert uses == rates, f"{where}: {metric} without rate() or increase()"


def test_every_metric_has_a_consumer() -> None:
    used = {spec_of(metric).name for _, query in queries() for metric in metrics_in(query)}
    assert not SPECS.keys() - used, "exported, and neither shown nor watched"


@pytest.fixture(params=DASHBOARDS, ids=lambda path: str(path.stem))
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    path: Path = request.param
    return dashboard(path)


def test_variables_used_are_defined(board: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in board["templating"]["list"]} | BUILT_IN
    for panel in panels(board):
        text = " ".join([panel["title"], *(target["expr"] for target in panel["targets"])])
        assert set(re.findall(r"\$\{?(\w+)", text)) <= defined, panel["title"]


def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, f"{panel['title']} overlaps"
        taken |= cells


def test_panels_are_complete(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles)) or board["uid"] == "mm-operations"
    for panel in panels(board):
        refs = [target["refId"] for target in panel["targets"]]
        assert refs, panel["title"]
        assert len(refs) == len(set(refs)), panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "state-timeline"


def test_an_override_by_name_names_a_series(board: dict[str, Any]) -> None:
    for panel in panels(board):
        legends = {target["legendFormat"] for target in panel["targets"]}
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byName":
                assert override["matcher"]["options"] in legends, panel["title"]


def test_links_lead_to_dashboards_that_exist(board: dict[str, Any]) -> None:
    uids = {dashboard(path)["uid"] for path in DASHBOARDS}
    assert {link["url"].removeprefix("/d/") for link in board["links"]} <= uids - {board["uid"]}


def test_the_provisioned_data_source_is_the_one_that_panels_ask(board: dict[str, Any]) -> None:
    (source,) = load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    for panel in panels(board):
        for asked in (panel["datasource"], *(t["datasource"] for t in panel["targets"])):
            assert asked == {"type": source["type"], "uid": source["uid"]}
    for variable in board["templating"]["list"]:
        assert variable["datasource"]["uid"] == source["uid"]
        assert metrics_in(variable["definition"]) <= SPECS.keys()
