"""`mm doctor`: findings with their remedies; the exit code says whether one of them fails."""

import asyncio
import os
from pathlib import Path

import msgspec
import typer

from mm.app.doctor import Finding, examine

COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(files: list[Path], sets: list[str], as_json: bool) -> int:
    """Exit code 0 without a failure, 4 where the configuration is wrong, else 1."""
    findings = asyncio.run(examine(files, os.environ, sets))
    if as_json:
        typer.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            _print(finding)
    failed = {finding.check for finding in findings if finding.level == "fail"}
    return 0 if not failed else 4 if failed == {"config"} else 1


def _print(finding: Finding) -> None:
    mark = typer.style(f"{finding.level:<5}", fg=COLOURS[finding.level])
    typer.echo(f"{mark}{finding.check:<13} {finding.text}")
    if finding.remedy:
        typer.echo(f"     {'':<13} -> {finding.remedy}")
