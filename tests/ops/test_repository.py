"""What is committed: locks that agree, no index or machine named, documents that are true."""

import re
import tomllib

import pytest

from mm import __version__
from tests.ops.artefacts import ROOT, tracked_files

LOCKS = ("requirements.lock", "requirements-run.lock")
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
HOSTS = re.compile(r"://[^/\s]*(pypi|pythonhosted|npmjs|debian)\.\w+|(?<!\w)files\.pythonhosted")
HERE = re.compile(r"(?<![\w.~-])/(" + "|".join(("work", "farm", "root")) + r")/")


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def canonical(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_packages_and_hashes_and_nothing_of_where_they_came_from(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.findall(r"://|--\w+-url|find-links|trusted-host|file:/", text)
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 20
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_locks_agree_and_hold_every_declared_dependency() -> None:
    everything, daemon = pins(LOCKS[0]), pins(LOCKS[1])
    assert daemon.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonical(name) for name in project["dependencies"]} <= daemon.keys()
    assert {canonical(x) for x in project["optional-dependencies"]["dev"]} <= everything.keys()


def test_no_committed_file_names_a_package_host_or_a_path_of_one_machine() -> None:
    offenders = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for pattern in (HOSTS, HERE):
            offenders += [
                f"{path.relative_to(ROOT)}: {found[0]}" for found in pattern.finditer(text)
            ]
    assert not offenders


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_in_a_document_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert ((ROOT / name).parent / target).exists(), target


def test_scripts_are_executable_and_stop_at_the_first_error() -> None:
    for path in (ROOT / ".ci/run", *sorted((ROOT / "scripts").iterdir())):
        assert path.stat().st_mode & 0o111, path
        assert "set -euo pipefail" in path.read_text(), path


def test_ci_runs_what_a_person_runs() -> None:
    steps = (ROOT / ".ci/run").read_text().splitlines()
    assert {"export CI=true", "make check", "make test"} <= set(steps)
    assert any(step.startswith("scripts/audit-dependencies ") for step in steps)


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[({re.escape(__version__)}|Unreleased)\]", text, re.MULTILINE)
