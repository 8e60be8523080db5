"""Options that several commands share, and shorthands for `--set`."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from msgspec import Struct

Given: TypeAlias = dict[str, tuple[str, object]]
"""`{"--seed": ("exchange.seed", 7)}`: the shorthands as they were given; None: not at all."""

Files = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", envvar="MM_CONFIG", help="TOML file; later ones win."),
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Override.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Instrument = Annotated[
    str, typer.Option("--instrument", "-i", metavar="NAME", help="Only this one of several.")
]
Reason = Annotated[str, typer.Option(help="Kept on record with the command.")]


class Shorthand(Struct, frozen=True):
    """`--name VALUE` is `--set key=VALUE`."""

    key: str
    kind: type
    about: str


MARKET = {
    "scenario": Shorthand("exchange.scenario", str, "Market preset, or a scenario's TOML file."),
    "tape": Shorthand("exchange.tape", Path, "Recording that drives the market."),
    "seed": Shorthand("exchange.seed", int, "Seed of the market."),
    "speed": Shorthand("exchange.speed", float, "Market time per wall time."),
}


def shorthands(options: dict[str, Shorthand]) -> Callable[[Callable[..., None]], Any]:
    """Add `options` to a command, which receives them together as its parameter `given`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
        added = [_parameter(name, option) for name, option in options.items()]

        @wraps(command)
        def with_given(**values: object) -> None:
            given = {f"--{name}": (o.key, values.pop(name)) for name, o in options.items()}
            command(given=given, **values)

        signature = inspect.Signature([*own, *added])
        with_given.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
        with_given.__annotations__ = {p.name: p.annotation for p in [*own, *added]}
        return with_given

    return decorate


def _parameter(name: str, option: Shorthand) -> inspect.Parameter:
    annotation = Annotated[option.kind | None, typer.Option(help=option.about)]  # type: ignore[name-defined]  # a type known when it runs
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=None, annotation=annotation)
