"""Logs: readable, parsable, quiet about repetition, silent about secrets."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters import logs
from mm.model.actions import Note, Severity
from mm.model.units import NS_PER_S

KEY = "ab12" * 16
NOON_S = 1_800_014_400


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def json_lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    return stream


def note(text: str = "Fill-hungry mode active", second: int = 0, **data: Any) -> Note:  # noqa: ANN401 - any datum
    severity = data.pop("severity", Severity.INFO)
    return Note((NOON_S + second) * NS_PER_S, severity, "calibration", text, data)


# -- form ---------------------------------------------------------------------------------------


def test_a_note_is_one_json_object_at_its_own_time(out: io.StringIO) -> None:
    logs.log_note(note(m=0.3, event="x", level=2), "BTC")

    (line,) = json_lines(out)
    assert line == {
        "ts": "2027-01-15T12:00:00.000000+00:00",
        "level": "info",
        "topic": "calibration",
        "event": "Fill-hungry mode active",
        "data": {"instrument": "BTC", "m": 0.3, "event": "x", "level": 2},
    }


def test_a_note_on_a_terminal_is_one_aligned_line() -> None:
    out = io.StringIO()
    logs.configure("info", "console", out)

    logs.log_note(note(m=0.123456789012, why="no fills", empty=""), "BTC")

    assert out.getvalue() == (
        "12:00:00.000 INFO     calibration Fill-hungry mode active  "
        'instrument=BTC  m=0.12345679  why="no fills"  empty=""\n'
    )


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        logs.configure("info", "auto", stream)
        logs.log("warning", "link", "lost")

    assert re.fullmatch(
        r"\x1b\[33m[\d:.]+ WARNING  link        lost\x1b\[0m\n", terminal.getvalue()
    )
    assert json_lines(pipe)[0]["event"] == "lost"


def test_a_level_hides_what_is_below_it() -> None:
    out = io.StringIO()
    logs.configure("warning", "json", out)

    for level in ("debug", "info", "warning", "error"):
        logs.log(level, "x", level)

    assert [line["event"] for line in json_lines(out)] == ["warning", "error"]


def test_the_shells_lines_carry_the_time_of_day(out: io.StringIO) -> None:
    logs.log("info", "x", "y")

    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+\+00:00", json_lines(out)[0]["ts"])


def failed() -> ZeroDivisionError:
    try:
        1 / 0  # noqa: B018 - for its exception
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def test_an_error_brings_its_traceback(out: io.StringIO) -> None:
    logs.log("error", "task", "boom", failed())

    assert json_lines(out)[0]["exception"].endswith("ZeroDivisionError: division by zero")


def test_a_traceback_is_indented_on_the_console() -> None:
    out = io.StringIO()
    logs.configure("info", "console", out)

    logs.log("error", "task", "boom", failed())

    head, *trace = out.getvalue().splitlines()
    assert head.endswith("boom")
    assert all(line.startswith("    ") for line in trace)
    assert trace[-1].strip() == "ZeroDivisionError: division by zero"


def test_libraries_log_like_us(out: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("Error handling %s", "request", exc_info=failed())
    logging.getLogger("asyncio").debug("quiet")

    (line,) = json_lines(out)
    assert (line["topic"], line["event"]) == ("aiohttp.server", "Error handling request")
    assert "ZeroDivisionError" in line["exception"]


def test_a_number_that_json_lacks_is_text(out: io.StringIO) -> None:
    logs.log("info", "x", "y", a=float("nan"), b=[float("inf")], c=2**80)

    assert json_lines(out)[0]["data"] == {"a": "nan", "b": ["inf"], "c": 2**80}


def test_a_closed_stream_does_not_end_the_daemon() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    stream.close()

    logs.log("info", "x", "y")


# -- injection ----------------------------------------------------------------------------------


@given(st.text())
def test_whatever_a_venue_says_stays_one_line_without_controls(text: str) -> None:
    for style in ("console", "json"):
        out = io.StringIO()
        logs.configure("info", style, out)
        logs.log("info", text, text, words=text)

        assert out.getvalue().count("\n") == 1
        assert out.getvalue().endswith("\n")
        assert out.getvalue()[:-1].isprintable() or style == "json"
        assert out.getvalue()[:-1].isascii() or style == "console"


def test_terminal_escapes_are_shown_not_obeyed() -> None:
    out = io.StringIO()
    logs.configure("info", "console", out)

    logs.log("info", "order", "bad\nERROR fake \x1b[2J\u202e")

    assert r"bad\nERROR fake \x1b[2J\u202e" in out.getvalue()


# -- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "data",
    [
        {"private_key": "hunter2"},
        {"venue_private_key_file_content": "hunter2"},
        {"config": {"web": {"token": "hunter2"}}},
        {"Authorization": "hunter2"},
        {"words": "Authorization: Bearer hunter2"},
        {"words": ["x", {"secret": "hunter2"}]},
    ],
)
def test_secrets_are_masked_by_name(style: str, data: dict[str, Any]) -> None:
    out = io.StringIO()
    logs.configure("info", style, out)

    logs.log("info", "x", "y", **data)

    assert "hunter2" not in out.getvalue()
    assert "***" in out.getvalue()


@pytest.mark.parametrize("shape", [KEY, "0x" + KEY, KEY.upper(), f"key={KEY}.", f"'{KEY}'"])
def test_private_keys_are_masked_by_shape_wherever_they_stand(out: io.StringIO, shape: str) -> None:
    logs.log("error", shape, shape, ValueError(shape), value=shape, nested=[{"a": (shape,)}])
    logs.log("info", "x", "y", named={shape: 1})

    assert KEY not in out.getvalue().lower()


def test_addresses_and_order_ids_stay_readable(out: io.StringIO) -> None:
    address, cloid = "0x" + "ab" * 20, "0x" + "6d" * 16

    logs.log("info", "x", f"{address} {cloid}", address=address, cloid=cloid, tokens=3)

    (line,) = json_lines(out)
    assert line["event"] == f"{address} {cloid}"
    assert line["data"] == {"address": address, "cloid": cloid, "tokens": 3}


# -- repetition ---------------------------------------------------------------------------------


def test_an_identical_warning_comes_once_a_minute_with_a_count(out: io.StringIO) -> None:
    for second in (0, 1, 30, 59, 60, 61):
        logs.log_note(note("feed is stale", second, severity=Severity.WARNING, age_s=second))

    shown = [line["data"] for line in json_lines(out)]

    assert shown == [{"age_s": 0}, {"age_s": 60, "repeated": 3}]


def test_other_warnings_and_all_infos_pass(out: io.StringIO) -> None:
    for _ in range(3):
        logs.log_note(note("filled"))
    logs.log_note(note("stale", severity=Severity.WARNING))
    logs.log_note(note("stale", severity=Severity.ERROR))
    logs.log_note(note("late", severity=Severity.WARNING))

    assert len(json_lines(out)) == 6


def test_every_word_of_the_operator_and_the_kill_switch_is_kept(out: io.StringIO) -> None:
    said = ["pause", "resume", "halt", "resume", "resume"]
    for second, verb in enumerate(said):
        logs.log_note(note(f"Command: {verb}", second, severity=Severity.WARNING))
    for second in range(2):
        logs.log_note(note("Halted", second, severity=Severity.ERROR))

    shown = [line["event"] for line in json_lines(out)]

    assert shown == [*(f"Command: {verb}" for verb in said), "Halted", "Halted"]


def test_the_memory_of_warnings_is_bounded(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "REMEMBERED", 10)
    repeats = logs.Repeats()
    for number in range(100):
        repeats(None, "", {"level": "warning", "topic": "", "event": str(number), "ts_s": 0.0})

    assert len(repeats._seen) <= 10
