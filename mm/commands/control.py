"""`mm status`, `pause`, `resume`, `halt`: talk to the daemon that runs on this data directory."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from mm.adapters.data_dir import Runtime, owner, read_runtime, read_token
from mm.adapters.logs import printable
from mm.app.config import Config, load

TIMEOUT_S = 5.0


class NotRunning(Exception):  # noqa: N818 - a state, named for what it says
    exit_code = 3


class TimedOut(Exception):  # noqa: N818 - as above
    exit_code = 5


class Refused(Exception):  # noqa: N818 - as above
    exit_code = 1


def status(files: list[Path], sets: list[str], as_json: bool, instrument: str = "") -> int:
    """Of one instrument, or of all: then as JSON a list, unless there is only one."""
    config = load(files, assignments=sets, check=False)
    states = _states(config, instrument)
    if as_json:
        typer.echo(json.dumps(states[0] if len(states) == 1 else states))
    else:
        for number, state in enumerate(states):
            for line in _lines(state) if number == 0 else ["", *_lines(state)]:
                typer.echo(printable(line))  # a reason may hold what the venue said
        for line in _together(states):
            typer.echo(line)
    return 0


def _states(config: Config, instrument: str) -> list[dict[str, Any]]:
    asked = f"?instrument={quote(instrument)}" if instrument else ""
    first = _call(config, "GET", f"/api/state{asked}")
    others = [] if instrument else first["instruments"][1:]
    return [first, *(_call(config, "GET", f"/api/state?instrument={quote(o)}") for o in others)]


def _together(states: list[dict[str, Any]]) -> list[str]:
    """Of several instruments: what they hold and have made in all."""
    views = [state["view"] for state in states if state["view"] is not None]
    if len(views) < 2:
        return []
    held = [view["position"]["notional_usd"] for view in views]
    made = sum(float(view["pnl"]["total"]) for view in views)
    gross, net = sum(map(abs, held)), sum(held)
    return ["", f"together     pnl {made:,.2f} USD, held {gross:,.0f} USD gross, {net:,.0f} net"]


def command(files: list[Path], sets: list[str], verb: str, body: dict[str, object]) -> int:
    config = load(files, assignments=sets, check=False)
    answer = _call(config, "POST", f"/api/{verb}", body)
    typer.echo(f"{answer.get('accepted', verb)} accepted")
    return 0


def _call(
    config: Config, method: str, path: str, body: dict[str, object] | None = None
) -> dict[str, Any]:
    """The daemon's JSON answer. Raises NotRunning, TimedOut or Refused."""
    runtime = _runtime(config.daemon.data_dir)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(runtime.url + path, data, method=method)  # noqa: S310 - http, from our own file
    if body is not None:
        request.add_header("Authorization", f"Bearer {_token(config)}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - as above
            answer: dict[str, Any] = json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(_refusal(error.code, error.read())) from None
    except TimeoutError:
        raise TimedOut(f"the daemon at {runtime.url} did not answer in {TIMEOUT_S:g} s") from None
    except OSError as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise TimedOut(f"no connection to {runtime.url} in {TIMEOUT_S:g} s") from None
        raise NotRunning(
            f"no daemon answers at {runtime.url} (is pid {runtime.pid} gone?): "
            "start one with `mm run`"
        ) from None
    return answer


def _runtime(path: Path) -> Runtime:
    runtime = read_runtime(path)
    if runtime is None and (pid := owner(path)) is not None:
        raise NotRunning(
            f"a daemon (pid {pid}) is starting or stopping on {path}: ask again in a moment"
        )
    if runtime is None:
        raise NotRunning(
            f"no daemon runs on {path}: start one with `mm run`; if one runs, ask with its "
            "`-c FILE`, or name its data directory with --set daemon.data_dir=DIR"
        )
    if not runtime.url:
        raise NotRunning("the daemon runs without its control API: set web.enabled = true")
    return runtime


def _token(config: Config) -> str:
    if config.web.token is not None:
        return config.web.token.get_secret_value()
    return read_token(config.daemon.data_dir)


def _refusal(status_code: int, body: bytes) -> str:
    if status_code == 401:
        return "the daemon refused the token: set MM_WEB__TOKEN to the one that it runs with"
    try:
        reason = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        reason = body[:200].decode(errors="replace")
    return f"the daemon refused: {reason} (HTTP {status_code})"


def _lines(state: dict[str, Any]) -> list[str]:
    """What an operator asks first, one fact a line."""
    view = state["view"]
    ready = "ready" if state["ready"] else f"not ready: {state['reason']}"
    if view is None:
        return [ready]
    safety = view["safety"]
    return [
        f"{view['instrument']} {view['label']}  {safety['state']}, {ready}",
        _market(view["market"]),
        _calibration(view["calibration"], safety["state"]),
        *(_side(view[side]) for side in ("bid", "ask")),
        _position(view["position"]),
        *_flatten(safety["flatten"]),
        *_pnl(view["pnl"]),
        *_budget(safety),
    ]


def _budget(safety: dict[str, Any]) -> list[str]:
    """What is left of the venue's action budget, and what that pays for."""
    left, pace = safety["action_budget_left"], safety["pace"]
    if left is None or pace is None:
        return []
    levels = f"levels {pace['levels']}, moved when {pace['band_bps']:.2f} bps off"
    return [f"actions      {left:,} left, {_digits(pace['per_s'])}/s: {levels} or more"]


def _market(market: dict[str, Any]) -> str:
    sigma, kappa, arrival = (_estimate(market[name]) for name in ("sigma", "kappa", "arrival"))
    fair = "?" if market["fair"] is None else f"{market['fair']:,.8g}"
    return f"market       fair {fair}  σ {sigma} bps/√s  κ {kappa} /bps  A {arrival} /s"


def _calibration(it: dict[str, Any], state: str) -> str:
    done = f"calibration  {it['progress']:.0%}, m = {it['multiplier']:.2f}"
    return f"{done}, {it['fill_count']} arrivals, {_eta(it, state)}"


def _position(it: dict[str, Any]) -> str:
    used = f"{it['notional_usd']:,.0f} of {it['max_notional_usd']:,.0f} USD"
    others = it["others_margin_usd"]
    beside = f", others hold {others:,.0f} USD of the margin" if others else ""
    return f"position     {it['size']} ({it['lots']:.2f} lots, {used}){beside}"


def _flatten(progress: str) -> list[str]:
    return [f"flatten      {progress}"] if progress else []


def _pnl(pnl: dict[str, Any]) -> list[str]:
    """The parts as they count towards the total: what it cost us is negative."""
    costs = ("adverse", "fees")
    parts = ", ".join(
        f"{part} {_signed_usd(-float(pnl[part]) if part in costs else float(pnl[part]))}"
        for part in ("spread", "adverse", "inventory", "fees", "funding")
    )
    return [
        f"pnl          {_usd(pnl['total'])} USD = {parts}",
        f"equity       {_usd(pnl['equity'])} USD, peak {_usd(pnl['peak_equity'])}",
    ]


def _side(side: dict[str, Any]) -> str:
    name = f"{side['side']:<12}"
    if side["blocked"]:
        return f"{name} not quoting: {side['blocked']}"
    terms = " + ".join(f"{term['name']} {term['bps']:.2f}" for term in side["terms"])
    depth = "?" if side["depth_bps"] is None else f"{side['depth_bps']:.2f}"
    return f"{name} {depth} bps = {terms} ({side['binding']})"


def _digits(value: float) -> str:
    """Three digits that tell, and no power of ten where there is room."""
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def _usd(value: str) -> str:
    return f"{float(value):,.2f}"


def _signed_usd(value: float) -> str:
    return f"{value:+z,.2f}"


def _estimate(value: dict[str, Any] | None) -> str:
    if value is None:
        return "?"
    return f"{_digits(value['value'])} ({_digits(value['low'])}..{_digits(value['high'])})"


def _eta(calibration: dict[str, Any], state: str) -> str:
    if calibration["complete"]:
        return "complete"
    if state in {"paused", "halted"}:
        return f"no ETA while {state}"
    if calibration["eta_s"] is None:
        return str(calibration["note"] or "no ETA yet")
    seconds = calibration["eta_s"]
    left = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"about {left} to go"
