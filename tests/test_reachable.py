"""No code that nobody runs: each module is reached from a command."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOTS = ("mm.__main__", "mm.app.watchdog_process")
"""What is started as a process of its own."""
FOR_TESTS = ["mm.sim.scripted"]
"""A market that its user writes down."""


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / "mm").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> set[str]:
    """Modules named by any import, at the top or within a function, or by `import_module`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def reached() -> set[str]:
    known, found, next_ones = modules(), set(), {*ROOTS}
    while next_ones:
        found |= next_ones
        next_ones = {n for one in next_ones for n in imported(known[one]) if n in known} - found
    packages = {".".join(name.split(".")[:depth]) for name in found for depth in (1, 2, 3, 4)}
    return found | packages


def test_each_module_is_reached_from_a_command() -> None:
    assert sorted(modules().keys() - reached()) == FOR_TESTS


def test_a_daemon_on_a_real_venue_loads_no_exchange_of_its_own() -> None:
    """It would start a tenth slower, and need more memory."""
    code = "import sys, mm.cli, mm.commands.run; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    apart = ("mm.sim", "mm.adapters.hyperliquid.server", "mm.app.paper", "matplotlib", "scipy")
    assert [name for name in loaded.split() if name.startswith(apart)] == []
