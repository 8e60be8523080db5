"""Plots as text: dots where the curve is, in the width that was asked for."""

from mm.commands.plot import BLANK, DOTS, Curve, Frame, plot


def dots(lines: list[str], frame: Frame) -> set[tuple[int, int]]:
    """(column, row) of each dot, row 0 at the top."""
    found = set()
    for row, line in enumerate(lines[: frame.height]):
        inside = line.partition("│")[2][: frame.width]
        for column, character in enumerate(inside):
            code = ord(character) - BLANK
            for y, pair in enumerate(DOTS):
                found |= {(2 * column + x, 4 * row + y) for x, bit in enumerate(pair) if code & bit}
    return found


def test_a_line_runs_from_corner_to_corner() -> None:
    frame = Frame(low=-3.0, high=3.0, width=20, height=10)
    found = dots(plot([Curve("bid", lambda x: 2.0 * x)], frame), frame)
    assert {(0, 39), (39, 0)} <= found
    assert all(abs(column + row - 39) <= 1 for column, row in found)
    assert {column for column, _ in found} == set(range(40))


def test_a_steep_curve_has_no_gaps() -> None:
    frame = Frame(low=0.0, high=1.0, width=10, height=10)
    found = dots(plot([Curve("step", lambda x: float(x > 0.5))], frame), frame)
    assert {row for _, row in found} == set(range(40))


def test_a_dotted_curve_is_told_apart_and_each_is_named_where_it_ends() -> None:
    frame = Frame(low=0.0, high=1.0, width=10, height=5)
    up, down = Curve("bid", lambda x: x), Curve("ask", lambda x: -x, dotted=True)
    lines = plot([up, down], frame)
    assert lines[0].endswith(" bid")
    assert lines[4].endswith(" ask")
    alone = dots(plot([down], frame), frame)
    assert len({column for column, _ in alone}) == 10


def test_a_curve_ends_where_it_has_no_value() -> None:
    frame = Frame(low=0.0, high=1.0, width=10, height=5)
    found = dots(plot([Curve("bid", lambda x: x if x < 0.5 else None)], frame), frame)
    assert max(column for column, _ in found) == 9


def test_the_mark_stands_upright_at_its_place() -> None:
    frame = Frame(low=0.0, high=1.0, mark=1.0, width=10, height=5)
    found = dots(plot([Curve("flat", lambda _: 1.0)], frame), frame)
    assert {(19, 4 * row) for row in range(5)} <= found


def test_axes_carry_numbers_and_nothing_is_nothing() -> None:
    frame = Frame(low=-2.0, high=2.0, width=20, height=8)
    lines = plot([Curve("bid", lambda x: 10.0 * x)], frame)
    assert lines[-1].split() == ["-2", "0", "2"]
    assert len([line for line in lines if line.partition("│")[0].strip()]) >= 2
    assert plot([Curve("bid", lambda _: None)], frame) == ["(nothing to plot)"]
