"""House rules that a machine checks: layout, import arrows, purity, size budgets, manners."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "mm").rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

PACKAGES = {"model", "core", "sim", "adapters", "app"}
PURE = {"model", "core", "sim"}
MAY_IMPORT = {  # package -> packages of mm that it may import besides itself
    "model": set[str](),
    "core": {"model"},
    "sim": {"model"},
    "adapters": {"model"},
    "app": PACKAGES,
    "cli": PACKAGES,
}
HARMLESS = set(
    """
    __future__ abc bisect collections contextlib copy dataclasses datetime decimal difflib enum
    fractions functools hashlib heapq itertools math operator random re statistics string struct
    tomllib types typing zlib mm msgspec numpy
    """.split()  # noqa: SIM905 - forty quotation marks less
)
"""All that a pure package may import: it computes, no more."""
IMPURE_CALLS = {"open", "print", "input", "eval", "exec", "breakpoint", "hash", "id", "__import__"}
CLOCKS = {"now", "today", "utcnow"}
BLAS = {"dot", "vdot", "matmul", "inner", "einsum", "tensordot", "linalg"}
VAGUE = re.compile(r"Manager|Helper|Utils?$|_utils?$|_helpers?$|Engine2|DEPRECATED", re.IGNORECASE)

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
MAX_FIELDS = 15
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("mm/core/settings.py", "StrategySettings"): "one field for each setting of [strategy]: flat, "
    "as users write it",
}
"""(file, name of what is too large) -> why it must be."""

Rule: TypeAlias = Callable[[str, ast.Module, str], Iterator[tuple[str, str]]]
"""(package, syntax tree, source) -> (name of the offender, what is wrong with it)."""
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def package_of(path: PurePosixPath) -> str:
    """The layer a file belongs to; the modules beside the packages are the command line."""
    return path.parts[1] if path.parts[1] in PACKAGES else "cli"


def imports(tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """Each imported name as its dotted parts, the names after `from x import` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((*module.split("."), alias.name) for alias in node.names)


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def arrows(package: str, tree: ast.Module, _: str) -> Iterator[tuple[str, str]]:
    for name in imports(tree):
        whole = ".".join(name)
        if name[0] == "":
            yield whole, "relative import"
        elif name[0] == "mm" and name[1] != "__version__":
            layer = name[1] if name[1] in PACKAGES else "cli"
            if layer not in MAY_IMPORT[package] | {package}:
                yield whole, f"{package} must not import {layer}"


def pure_imports(package: str, tree: ast.Module, _: str) -> Iterator[tuple[str, str]]:
    for name in imports(tree) if package in PURE else ():
        if name[0] == "random" and name != ("random", "Random"):
            yield ".".join(name), f"{package} may use seeded Random instances only"
        elif name[0] not in HARMLESS:
            yield ".".join(name), f"{package} is pure"


def pure_calls(package: str, tree: ast.Module, _: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree) if package in PURE else ():
        match node:
            case ast.AsyncFunctionDef(name=name):
                yield name, "async def"
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield type(node).__name__, "asynchronous"
            case ast.Global(names=names):
                yield names[0], "global state"
            case ast.Call(func=func, args=args, keywords=keywords):
                yield from impure_call(dotted(func), seeded=bool(args or keywords))


def impure_call(name: str, seeded: bool) -> Iterator[tuple[str, str]]:
    last = name.rsplit(".", 1)[-1]
    if name in IMPURE_CALLS:
        yield name, "touches the world, or differs between processes"
    elif last in CLOCKS and re.search(r"date", name):
        yield name, "time comes in the event"
    elif last in {"Random", "default_rng"} and not seeded:
        yield name, "unseeded"
    elif re.match(r"(np|numpy)\.random\.", name) and last != "default_rng":
        yield name, "the module's hidden generator"


def no_blas(package: str, tree: ast.Module, _: str) -> Iterator[tuple[str, str]]:
    """BLAS sums in an order that depends on the machine: not the same bits everywhere."""
    for node in ast.walk(tree) if package == "core" else ():
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield "@", "BLAS in core"
        elif isinstance(node, ast.Attribute) and node.attr in BLAS:
            yield dotted(node), "BLAS in core"


def sizes(_: str, tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    if (lines := source.count("\n")) > MAX_FILE_LINES:
        yield "file", f"{lines} lines, {MAX_FILE_LINES} allowed"
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield node.name, f"{length} lines, {MAX_FUNCTION_LINES} allowed"
            if (count := len(parameters(node))) > MAX_PARAMETERS:
                yield node.name, f"{count} parameters, {MAX_PARAMETERS} allowed"
        elif isinstance(node, ast.ClassDef) and (count := fields(node)) > MAX_FIELDS:
            yield node.name, f"{count} fields, {MAX_FIELDS} allowed"


def parameters(node: Function) -> list[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [arg.arg for arg in every if arg.arg not in {"self", "cls"}]


def fields(node: ast.ClassDef) -> int:
    annotations = [ast.unparse(x.annotation) for x in node.body if isinstance(x, ast.AnnAssign)]
    return sum("ClassVar" not in annotation for annotation in annotations)


def manners(_: str, tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    if tree.body and not ast.get_docstring(tree):
        yield "module", "opens without saying what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | Function) and VAGUE.search(node.name):
            yield node.name, "a name that says nothing"
    yield from silenced(source)


def silenced(source: str) -> Iterator[tuple[str, str]]:
    """A check switched off must name the check and say why: `# noqa: S101 - reason`."""
    code = r"[A-Z]+\d+"
    reasoned = re.compile(rf"(:\s*{code}(,\s*{code})*|\[[\w, -]+\])\W+(?!{code})\w.{{3}}")
    for line in source.splitlines():
        found = re.search(r"#\s*(noqa|type:\s*ignore)(.*)", line)
        if found and not reasoned.match(found[2]):
            yield line.strip(), "silenced without a code and a reason"


RULES: tuple[Rule, ...] = (arrows, pure_imports, pure_calls, no_blas, sizes, manners)


def offences(path: PurePosixPath, source: str) -> list[str]:
    tree, package = ast.parse(source), package_of(path)
    found = ((name, what) for rule in RULES for name, what in rule(package, tree, source))
    return [
        f"{path}: {name}: {what}" for name, what in found if (str(path), name) not in EXCEPTIONS
    ]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_keeps_the_house_rules(path: Path) -> None:
    found = offences(PurePosixPath(path.as_posix()), (ROOT / path).read_text())
    assert not found, "\n".join(found)


def test_the_packages_are_the_ones_designed() -> None:
    folders = {p.name for p in (ROOT / "mm").iterdir() if p.is_dir() and list(p.rglob("*.py"))}
    assert folders - {"commands"} == PACKAGES
    modules = {p.name for p in (ROOT / "mm").glob("*.py")}
    unexpected = {m for m in modules if not m.startswith("cli")} - {"__init__.py", "__main__.py"}
    assert not unexpected, "what is not the command line belongs in a package"


def test_an_exception_without_offender_is_deleted() -> None:
    assert all(len(reason.split()) >= 4 for reason in EXCEPTIONS.values())
    for path, name in EXCEPTIONS:
        source = (ROOT / path).read_text()
        names = {n for n, _ in sizes(package_of(PurePosixPath(path)), ast.parse(source), source)}
        assert name in names, f"{path}: {name} is within budget: delete its exception"


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_a_test_file_has_unique_name_and_silences_nothing_quietly(path: Path) -> None:
    assert [p.name for p in TESTS].count(path.name) == 1 or path.name == "conftest.py"
    found = list(silenced((ROOT / path).read_text())) if path.name != Path(__file__).name else []
    assert not found, found
    if path.parts[1] in PURE:
        shell = re.findall(r"\bsleep\(|\bmock\b|\basyncio\b", (ROOT / path).read_text())
        assert not shell, f"{path}: a test of a pure package needs no {shell}"


OFFENDING = {
    "mm/core/a.py": [
        ("from mm.sim.market import Market", "core must not import sim"),
        ("from mm import adapters", "core must not import adapters"),
        ("from mm.app.ports import Venue", "core must not import app"),
        ("import mm.cli", "core must not import cli"),
        ("from .book import Book", "relative import"),
        ("from . import book", "relative import"),
        ("def f():\n    import asyncio", "core is pure"),
        ("from time import monotonic", "core is pure"),
        ("import os.path", "core is pure"),
        ("from random import choice", "seeded Random instances only"),
        ("import random", "seeded Random instances only"),
        ("from random import Random\nr = Random()", "unseeded"),
        ("import numpy as np\nr = np.random.default_rng()", "unseeded"),
        ("import numpy as np\nx = np.random.normal()", "hidden generator"),
        ("import datetime\nx = datetime.datetime.now()", "time comes in the event"),
        ("from datetime import date\nx = date.today()", "time comes in the event"),
        ("async def f() -> None: ...", "async def"),
        ("x = open('a')", "touches the world"),
        ("print(1)", "touches the world"),
        ("x = hash('a')", "differs between processes"),
        ("def f():\n    global x\n    x = 1", "global state"),
        ("import numpy as np\nx = np.dot(a, b)", "BLAS"),
        ("import numpy as np\nx = np.linalg.eigh(a)", "BLAS"),
        ("x = a @ b", "BLAS"),
        ("x = 1\n" * 299, "301 lines, 300 allowed"),
        ("def f():\n" + "    x = 1\n" * 50, "51 lines, 50 allowed"),
        ("def f(a, b, c, d, /, e, *, g, h): ...", "7 parameters, 6 allowed"),
        ("class A:\n" + "".join(f"    x{i}: int\n" for i in range(16)), "16 fields"),
        ("class OrderManager: ...", "says nothing"),
        ("def price_utils(): ...", "says nothing"),
        ("x = 1  # noqa", "silenced"),
        ("x = 1  # noqa: S101", "silenced"),
        ("x = 1  # noqa: S101, PLR0913", "silenced"),
        ("x = 1  # type: ignore", "silenced"),
        ("x = 1  # type: ignore[misc]", "silenced"),
    ],
    "mm/adapters/a.py": [("from mm.core.engine import Engine", "adapters must not import core")],
    "mm/sim/a.py": [("from mm.core.book import Book", "sim must not import core")],
    "mm/model/a.py": [("from mm.core.book import Book", "model must not import core")],
    "mm/app/a.py": [("from mm.cli import main", "app must not import cli")],
}


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [(path, *case) for path, cases in OFFENDING.items() for case in cases],
)
def test_the_checker_sees_an_offender(path: str, source: str, what: str) -> None:
    found = offences(PurePosixPath(path), f'"""A module."""\n{source}\n')
    assert any(what in line for line in found), found


def test_the_checker_sees_a_module_without_docstring() -> None:
    assert offences(PurePosixPath("mm/core/a.py"), "x = 1\n")


@pytest.mark.parametrize(
    "source",
    [
        "from random import Random\nr = Random(7)",
        "import numpy as np\nr = np.random.default_rng(7)",
        "from datetime import UTC, datetime\nx = datetime.fromtimestamp(0, UTC)",
        "x = 1  # type: ignore[misc]  # the stub is wrong about this",
        "x = 1  # noqa: S311 - not for cryptography",
        "x = 1  # noqa: S311, ANN401 (JSON)",
        "from mm.model.units import Ns\nfrom mm.core.book import Book",
        "class Quiet:\n    def method(self, a, b, c, d, e, f): ...",
    ],
)
def test_the_checker_lets_good_code_pass(source: str) -> None:
    assert not offences(PurePosixPath("mm/core/a.py"), f'"""A module."""\n{source}\n')
