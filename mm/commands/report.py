"""`mm report`: a run beside paper on the same market."""

import math
from functools import partial
from pathlib import Path
from typing import Any

from mm.app.config_paper import PaperConfig
from mm.app.gap import Earned, Gap, Mean, compare

CUT = (
    "the journal ends without its closing (killed, or still running): "
    "the last second or so, up to recorder.journal_flush_s, may be missing"
)


def measure(journal: Path, **paper: Any) -> Gap:  # noqa: ANN401 - fields of `[paper]`
    """`paper`: what its exchange is to assume, None where the default does."""
    chosen = {name: value for name, value in paper.items() if value is not None}
    return compare(journal, PaperConfig.model_validate(chosen))


def table(gap: Gap) -> list[str]:
    live, paper = gap.live, gap.paper
    lines = [
        f"run {gap.run_id}, {gap.hours:.2f} h",
        f"{'':<26}{'this run':>16}{'paper':>16}",
        _row("fills", live, paper, lambda one: f"{one.fills}"),
        _row("fills an hour", live, paper, lambda one: f"{one.fills_per_h:.1f}"),
        _row("volume, USD", live, paper, lambda one: f"{one.volume_usd:,.0f}"),
        _row("fees, USD", live, paper, lambda one: f"{one.fees_usd:.2f}"),
        _row("earned, USD", live, paper, lambda one: f"{one.usd:+.2f}"),
        "bps of volume less fees, by S so long after each fill:",
    ]
    lines += [_row(f"  {h:g} s", live, paper, partial(_bps, horizon_s=h)) for h in live.after_bps]
    lines.append("the same by side and level, after 5 s:")
    names = sorted({*live.by_level, *paper.by_level})
    lines += [_row(f"  {n}", live, paper, partial(_level, name=n, horizon_s=5.0)) for n in names]
    lines += [_gap(gap, horizon_s) for horizon_s in list(live.after_bps)[-2:]]
    return lines + [CUT] * gap.cut


def _row(name: str, live: Earned, paper: Earned, show: Any) -> str:  # noqa: ANN401 - a lambda
    return f"{name:<26}{show(live):>16}{show(paper):>16}"


def _bps(earned: Earned, horizon_s: float) -> str:
    return _shown(earned.after_bps[horizon_s])


def _level(earned: Earned, name: str, horizon_s: float) -> str:
    return _shown(earned.by_level.get(name, {}).get(horizon_s))


def _shown(found: Mean | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:+.2f} ± " + ("?" if found.se is None else f"{found.se:.2f}")


def _gap(gap: Gap, horizon_s: float) -> str:
    live, paper = gap.live.after_bps[horizon_s], gap.paper.after_bps[horizon_s]
    if live is None or paper is None or live.se is None or paper.se is None:
        return f"after {horizon_s:g} s: too few fills to compare"
    difference = Mean(paper.mean - live.mean, math.hypot(live.se, paper.se), live.n + paper.n)
    return f"after {horizon_s:g} s paper is better by {_shown(difference)} bps of volume"
