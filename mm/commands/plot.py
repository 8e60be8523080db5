"""Curves as text: braille dots, two columns and four rows to a character."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
GAP, ON = 4, 2
"""A dotted curve: so many dots to a period, so many of them drawn."""


class Curve(Struct, frozen=True):
    """y over x; None where it has no value."""

    label: str
    value: Callable[[float], float | None]
    dotted: bool = False


class Frame(Struct, frozen=True):
    """What the plot shows, and in how many characters."""

    low: float
    high: float
    mark: float | None = None
    """An x that a dotted vertical shows."""
    width: int = 60
    height: int = 14


def plot(curves: Sequence[Curve], frame: Frame) -> list[str]:
    """Lines of text with both axes labelled, each curve named at its right end."""
    columns = 2 * frame.width
    step = (frame.high - frame.low) / (columns - 1)
    drawn = [[c.value(frame.low + i * step) for i in range(columns)] for c in curves]
    values = [y for ys in drawn for y in ys if y is not None]
    if not values:
        return ["(nothing to plot)"]
    bottom, top = min(values), max(values)
    scale = (4 * frame.height - 1) / ((top - bottom) or 1.0)
    cells = [[0] * frame.width for _ in range(frame.height)]
    names = [""] * frame.height
    for curve, ys in zip(curves, drawn, strict=True):
        rows = [None if y is None else round((top - y) * scale) for y in ys]
        _draw(cells, rows, curve.dotted)
        last = next(row for row in reversed(rows) if row is not None) // 4
        names[last] = f"{names[last]} {curve.label}"
    if frame.mark is not None:
        column = round((frame.mark - frame.low) / step)
        for line in range(frame.height):
            _dot(cells, column, 4 * line)
    return [*_labelled(cells, names, (top, 4.0 / scale)), *_axis(frame)]


def _labelled(cells: list[list[int]], names: list[str], y: tuple[float, float]) -> Iterator[str]:
    """Each line's characters between its y, on every fourth, and the curves that end on it."""
    top, step = y
    for line, (dots, name) in enumerate(zip(cells, names, strict=True)):
        shown = f"{top - (line + 0.5) * step:9.4g}" if line % 4 == 1 else " " * 9
        yield f"{shown} │{''.join(chr(BLANK + dot) for dot in dots)}{name}"


def _axis(frame: Frame) -> list[str]:
    low, high = f"{frame.low:g}", f"{frame.high:g}"
    middle = f"{0.5 * (frame.low + frame.high):g}".center(frame.width - len(low) - len(high))
    return [f"{' ' * 10}└{'─' * frame.width}", f"{' ' * 11}{low}{middle}{high}"]


def _draw(cells: list[list[int]], rows: Sequence[int | None], dotted: bool) -> None:
    """A dot a column; a solid curve also fills the steps between neighbours."""
    before: int | None = None
    for column, row in enumerate(rows):
        if row is not None and dotted and column % GAP < ON:
            _dot(cells, column, row)
        elif row is not None and not dotted:
            start = row if before is None else before
            for between in range(min(start, row), max(start, row) + 1):
                _dot(cells, column, between)
        before = row


def _dot(cells: list[list[int]], column: int, row: int) -> None:
    cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]
