"""Logs: aligned lines for people on a terminal, JSON lines otherwise; secrets never."""

import contextlib
import json
import logging
import math
import re
import sys
from datetime import UTC, datetime
from typing import IO

import structlog
from structlog.typing import EventDict

from mm.model.actions import Note
from mm.model.units import NS_PER_S

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
DIM = "\x1b[2m"
COLOURS = {"debug": DIM, "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
RESET = "\x1b[0m"
REPEAT_S = 60.0
REMEMBERED = 1_000
EACH_COUNTS = ("Command: ", "Unknown command ", "Halted")
"""What begins so is never a repetition: an operator's word, and the kill switch's."""

PRIVATE_KEY = re.compile(r"(?<![0-9a-fA-F])(0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
BEARER = re.compile(r"(?i)\b(bearer\s+)\S+")
SECRET_NAMES = ("private_key", "secret", "token", "password", "authorization", "api_key")
"""Never addresses, order ids or client ids: 40 and 32 hex digits stay readable."""
MASK = "***"


class Sink:
    """Where rendered lines go. A closed pipe ends the logs, not the daemon."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


class Forward(logging.Handler):
    """Libraries' own logging, as lines like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        error = record.exc_info[1] if record.exc_info else None
        log(level if level in LEVELS else "info", record.name, record.getMessage(), error)


class Repeats:
    """Identical warnings and errors at most once a minute; the next one says how many it hid."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], tuple[float, int]] = {}

    def __call__(self, _: object, __: str, line: EventDict) -> EventDict:
        said = str(line["event"])
        if LEVELS[line["level"]] < LEVELS["warning"] or said.startswith(EACH_COUNTS):
            return line
        whose = str(line.get("data", {}).get("instrument", ""))
        key = (line["level"], str(line["topic"]), said, whose)
        shown_s, hidden = self._seen.get(key, (-math.inf, 0))
        if 0 <= line["ts_s"] - shown_s < REPEAT_S:
            self._seen[key] = (shown_s, hidden + 1)
            raise structlog.DropEvent
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = (line["ts_s"], 0)
        if hidden:
            line["data"] = {**line["data"], "repeated": hidden}
        return line


class Console:
    """`12:03:04.123 INFO  fill        bought 0.01 at 60000  depth_bps=2.1`; times are UTC."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _: object, __: str, line: EventDict) -> str:
        level, topic = line["level"], str(line["topic"])
        clock = datetime.fromtimestamp(line["ts_s"], UTC).strftime("%H:%M:%S.%f")[:-3]
        text = printable(str(line["event"]))
        trace = line.get("exception", "")
        data = "  ".join(f"{printable(k)}={_console_value(v)}" for k, v in line["data"].items())
        badge = f"{line['network']} " if "network" in line else ""
        shown = f"{clock} {badge}{level.upper():<8} {printable(topic):<11} {text}"
        if data:
            shown += f"  {DIM}{data}{RESET}" if self._colour and level == "info" else f"  {data}"
        if trace:
            shown += "".join(f"\n    {printable(part)}" for part in trace.splitlines())
        colour = COLOURS.get(level) if self._colour else None
        return f"{colour}{shown}{RESET}" if colour else shown


def render_json(_: object, __: str, line: EventDict) -> str:
    """One JSON object; control characters in what a venue sent stay escaped."""
    moment = datetime.fromtimestamp(line["ts_s"], UTC)
    shown = {"ts": moment.isoformat(timespec="microseconds")}
    names = ("network", "level", "topic", "event", "data", "exception")
    return json.dumps(shown | {name: line[name] for name in names if line.get(name)})


def redact(_: object, __: str, line: EventDict) -> EventDict:
    """Mask secrets by name and private keys by shape, at any depth."""
    return {name: _masked("", value) for name, value in line.items()}


def printable(text: str) -> str:
    """Control characters (new lines, terminal escapes, bidi marks) as visible escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Badge:
    """Says on every line what is traded, so that no line of paper is taken for money."""

    def __init__(self, network: str) -> None:
        self._network = network

    def __call__(self, _: object, __: str, line: EventDict) -> EventDict:
        return {"network": self._network, **line} if self._network else line


def configure(
    level: str = "info", style: str = "auto", stream: IO[str] | None = None, network: str = ""
) -> None:
    """Send all logs, those of libraries included, to `stream` (default stderr).

    `style`: console, json, or auto (console on a terminal). `network`: shown on every line, where
    given. Call once, in the process's shell.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    console = style == "console" or (style == "auto" and terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.MaybeTimeStamper(fmt=None, key="ts_s"),
            structlog.processors.format_exc_info,
            redact,
            Repeats(),
            Badge(network),
            Console(colour=terminal) if console else render_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: Sink(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [Forward()]
    root.setLevel(max(LEVELS[level], logging.WARNING))


def log_note(note: Note, instrument: str = "") -> None:
    """Log what the core wants said, at the time at which it said it."""
    data = {"instrument": instrument, **note.data} if instrument else note.data
    level, ts_s = LEVELS[note.severity], note.ts / NS_PER_S
    structlog.get_logger().log(level, note.text, topic=note.topic, ts_s=ts_s, data=data)


def log(
    level: str, topic: str, text: str, error: BaseException | None = None, **data: object
) -> None:
    """Log a line of the shell's own; `error` adds its traceback."""
    trace = {"exc_info": error} if error else {}
    structlog.get_logger().log(LEVELS[level], text, topic=topic, data=data, **trace)


def _masked(name: str, value: object) -> object:
    match value:
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {_hidden(str(key)): _masked(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [_masked(name, item) for item in value]
    named = any(secret in name.lower() for secret in SECRET_NAMES)
    return MASK if named and value else _hidden(str(value))


def _hidden(text: str) -> str:
    return BEARER.sub(rf"\1{MASK}", PRIVATE_KEY.sub(MASK, text))


def _console_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, bool):
        return str(value).lower()
    text = printable(str(value))
    return f'"{text}"' if " " in text or not text else text
