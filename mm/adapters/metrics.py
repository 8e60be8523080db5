"""Counts what happens and shows what is: the daemon's Prometheus exposition."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mm import __version__
from mm.adapters.metrics_rows import Row, calibration_rows, health_rows, view_rows
from mm.adapters.metrics_table import BUCKETS_S, METRICS, Kind, Spec
from mm.model.actions import Severity, Step
from mm.model.events import (
    Account,
    Event,
    Fill,
    OrderClosed,
    RejectCode,
    Rejected,
    RequestKind,
    Trades,
    Unresolved,
)
from mm.model.units import Side
from mm.model.view import CalibrationView, HealthView, View

MAX_SERIES = 64
"""Per metric; what exceeds it is summed under "other": no venue's text can flood the scraper."""

Labels: TypeAlias = tuple[str, ...]

SPECS = {spec.name: spec for spec in METRICS}
ACTIONS = {
    "Place": "place",
    "Modify": "modify",
    "Cancel": "cancel",
    "CancelAll": "cancel_all",
    "Halt": "halt",
}
FAMILIES: dict[Kind, type[GaugeMetricFamily] | type[CounterMetricFamily]] = {
    Kind.GAUGE: GaugeMetricFamily,
    Kind.COUNTER: CounterMetricFamily,
}


class Histogram:
    """Plain counts while observing; cumulative only when shown."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0

    def observe(self, value_s: float) -> None:
        self.counts[bisect_left(BUCKETS_S, value_s)] += 1
        self.total_s += value_s

    def buckets(self) -> list[tuple[str, float]]:
        cumulative, rows = 0, []
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self.counts, strict=True):
            cumulative += count
            rows.append((bound, float(cumulative)))
        return rows


class Metrics:
    """One engine's metrics. Gauges are those of the last view: a level that is gone has no series.

    Nothing here takes a lock or formats text until `render`.
    """

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self._view: View | None = None
        self._health: HealthView | None = None
        self._calibration: CalibrationView | None = None
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._histograms: dict[tuple[str, Labels], Histogram] = defaultdict(Histogram)
        self._counters: dict[type, Callable[[Any], None]] = {
            Fill: self._count_fill,
            Trades: self._count_trades,
            Rejected: self._count_rejected,
            Unresolved: self._count_unresolved,
            OrderClosed: self._count_closed,
            Account: self._count_audit,
        }
        self._start_counts()

    def observe(self, event: Event, step: Step) -> None:
        """Count one turn of the engine."""
        kind = type(event)
        self._count("mm_events_total", kind.__name__.lower())
        if count := self._counters.get(kind):
            count(event)
        for action in step.actions:
            self._count("mm_orders_total", ACTIONS[type(action).__name__], "sent")
        for note in step.notes:
            self._count("mm_notes_total", note.severity)
            if kind is Account:
                self._count("mm_audit_findings_total", note.topic)

    def observe_cycle_s(self, value_s: float) -> None:
        self._histograms["mm_quote_cycle_seconds", ()].observe(value_s)

    def observe_tick_to_order_s(self, value_s: float) -> None:
        self._histograms["mm_tick_to_order_seconds", ()].observe(value_s)

    def observe_round_trip_s(self, action: str, value_s: float) -> None:
        self._histograms["mm_order_round_trip_seconds", (action,)].observe(value_s)

    def update(self, view: View | None, health: HealthView) -> None:
        """What the next scrape shows. Keeps the values, formats nothing: call it at will."""
        self._view, self._health = view, health
        if view is not None:
            self.update_calibration(view.calibration)

    def update_calibration(self, calibration: CalibrationView) -> None:
        self._calibration = calibration

    def render(self) -> bytes:
        """The text exposition, version 0.0.4."""
        return render((self,))

    def rows(self) -> Iterator[Row]:
        """Every gauge and counter that has a value now."""
        if self._calibration is not None:
            yield from calibration_rows(self._calibration)
        if self._view is not None:
            yield from view_rows(self._view)
        if self._health is not None:
            yield from health_rows(self._health)
        for (name, labels), value in self._counts.items():
            yield name, labels, value
        yield "mm_actions_per_fill", (), self._actions_per_fill()
        yield "mm_build_info", (__version__,), 1

    def histograms(self) -> Iterable[tuple[tuple[str, Labels], Histogram]]:
        return self._histograms.items()

    def _start_counts(self) -> None:
        """At zero, so that the first of a kind is an increase that an alert can see."""
        for severity in Severity:
            self._count("mm_notes_total", severity, by=0)
        self._count("mm_audits_total", by=0)
        for reason in ("untold", "order", "position"):
            self._count("mm_audit_findings_total", reason, by=0)
        for action, status in product(RequestKind, ("sent", "rejected", "echo", "unknown")):
            self._count("mm_orders_total", action, status, by=0)
        for side in Side:
            self._count("mm_fill_volume_usd_total", side.label, by=0)
            for status in ("quote", "other"):
                self._count("mm_fills_total", side.label, status, by=0)

    def _count(self, name: str, *labels: str, by: float = 1.0) -> None:
        self._counts[name, labels] += by

    def _actions_per_fill(self) -> float:
        """What the venue's action budget is spent on: it earns one a dollar filled."""
        counts = self._counts
        sent = sum(counts["mm_orders_total", (kind, "sent")] for kind in RequestKind)
        return sent / max(self.fills, 1)

    @property
    def fills(self) -> int:
        """Own fills of this run."""
        counted = (n for (name, _), n in self._counts.items() if name == "mm_fills_total")
        return round(sum(counted))

    def _count_fill(self, fill: Fill) -> None:
        side = fill.side.label
        self._count("mm_fills_total", side, "quote" if fill.quote else "other")
        self._count("mm_fill_volume_usd_total", side, by=float(fill.price * fill.size))

    def _count_trades(self, event: Trades) -> None:
        for trade in event.trades:
            self._count("mm_trades_total", trade.aggressor.label)

    def _count_rejected(self, event: Rejected) -> None:
        if event.echo:
            self._count("mm_orders_total", event.kind, "echo")
            return
        sent = event.code is not RejectCode.UNSENT
        self._count("mm_orders_total", event.kind, "rejected" if sent else "unsent")
        self._count("mm_order_rejects_total", event.kind, event.code, event.code.remedy)

    def _count_unresolved(self, event: Unresolved) -> None:
        self._count("mm_orders_total", event.kind, "overtaken" if event.overtaken else "unknown")

    def _count_audit(self, event: Account) -> None:
        if event.orders is not None:
            self._count("mm_audits_total")
        self._count("mm_audit_findings_total", "untold", by=event.repaired)

    def _count_closed(self, event: OrderClosed) -> None:
        self._count("mm_orders_closed_total", event.reason)


def render(engines: Sequence[Metrics]) -> bytes:
    """One exposition of all engines of this process: each family once, a series per instrument."""
    registry = CollectorRegistry()
    registry.register(_Exposition(engines))
    return generate_latest(registry)


class _Exposition(Collector):
    def __init__(self, engines: Sequence[Metrics]) -> None:
        self._engines = engines

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry would collect once more, only to learn the names

    def collect(self) -> Iterator[Metric]:
        families = {spec.name: _family(spec) for spec in METRICS}
        for engine in self._engines:
            for (name, labels), value in _bounded(engine.rows()).items():
                families[name].add_metric([engine.instrument, *labels], value)
            for (name, labels), histogram in engine.histograms():
                families[name].add_metric(
                    [engine.instrument, *labels], histogram.buckets(), histogram.total_s
                )
        return (family for family in families.values() if family.samples)


def _family(spec: Spec) -> Any:  # noqa: ANN401 (the three families share no typed add_metric)
    labels = ["instrument", *spec.labels]
    if spec.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(spec.name, spec.help, labels=labels)
    return FAMILIES[spec.kind](spec.name, spec.help, labels=labels)


def reason_label(text: str) -> str:
    """The kind of a reason, as the core gives it ("stale book: 5.2 s old"): few, so few series."""
    kind = text.partition(":")[0].lower()
    return re.sub(r"[^a-z]+", "_", kind).strip("_")[:48] or "none"


def _bounded(rows: Iterable[Row]) -> dict[tuple[str, Labels], float]:
    """No metric above MAX_SERIES. Of equal labels, counters add and the last gauge stays."""
    series: dict[tuple[str, Labels], float] = {}
    sizes: dict[str, int] = defaultdict(int)
    for name, values, value in rows:
        labels = values
        if "reason" in SPECS[name].labels:
            labels = (*values[:-1], reason_label(values[-1]))
        if (name, labels) not in series:
            if sizes[name] >= MAX_SERIES:
                labels = (*values[:-1], "other")
            sizes[name] += 1
        before = series.get((name, labels), 0.0) if SPECS[name].kind is Kind.COUNTER else 0.0
        series[name, labels] = before + value
    return series
