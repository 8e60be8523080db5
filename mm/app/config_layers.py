"""Where configuration values come from: TOML files, environment, --set; each with its source.

A layer is flat, `path -> Value`; later layers win leaf by leaf, so that `--set
instruments.0.name=ETH` changes one field of a file's table.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct
from pydantic import BaseModel

Key: TypeAlias = tuple[str, ...]
"""("instruments", "0", "name")."""


MAX_TABLES = 100
"""More of one kind are not meant; the model's own bound refuses fewer."""


CLOSE_FIELD, CLOSE_KEY = 0.6, 0.8
"""How alike (difflib's ratio) a name must be to be suggested; a full name is half its section."""


class Value(Struct, frozen=True):
    value: Any
    source: str


Layer: TypeAlias = dict[Key, Value]


class ConfigError(Exception):
    """What is wrong with the configuration, one clear line per problem."""

    exit_code = 4

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def file_layer(path: Path) -> Layer:
    """A TOML file; sources are `file:line`. Raises ConfigError if unreadable or not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read config file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"config file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    lines = _lines(text)
    return {
        key: Value(value, f"{path}:{lines[key]}" if key in lines else str(path))
        for key, value in _flatten(tree, ())
    }


def env_layer(environ: Mapping[str, str]) -> Layer:
    """`MM_SECTION__FIELD`; a name without a double underscore (MM_DEBUG) is not configuration."""
    return {
        tuple(name[3:].lower().split("__")): Value(_parse(text), f"env {name}")
        for name, text in environ.items()
        if name.startswith("MM_") and "__" in name[3:]
    }


def set_layer(assignments: Sequence[str]) -> Layer:
    """`a.b=c` from the command line."""
    layer: Layer = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {assignment}: expected section.field=value")
        layer[tuple(name.strip().split("."))] = Value(_parse(text.strip()), "--set")
    return layer


def flag_layer(flags: Mapping[str, tuple[str, object]]) -> Layer:
    """`{"--seed": ("exchange.seed", 7)}`; options that were not given (None) are left out."""
    return {
        tuple(name.split(".")): Value(value, flag)
        for flag, (name, value) in flags.items()
        if value is not None
    }


def merge(layers: Sequence[Layer]) -> Layer:
    merged: Layer = {}
    for layer in layers:
        merged |= layer
    return merged


def tree(layer: Layer) -> dict[str, Any]:
    """The nested form that a model validates; numeric steps become list positions."""
    root: dict[str, Any] = {}
    for key, value in layer.items():
        node = root
        for step in key[:-1]:
            node = node.setdefault(step, {})
        node[key[-1]] = value.value
    return {name: _listed(value) for name, value in root.items()}


def unknown_keys(model: type[BaseModel], layer: Layer) -> dict[Key, str]:
    """Each key that the model does not have: a line that tells it, with the nearest that it has."""
    known = list(leaves(model))
    return {
        key: f"unknown config key {'.'.join(key)} ({value.source}){_nearest(key, known)}"
        for key, value in layer.items()
        if _generic(key) not in known
    }


def leaves(model: type[BaseModel], above: Key = ()) -> Iterator[Key]:
    """Each settable key of a model; a position in a list of tables is written "0"."""
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is None:
            yield (*above, name)
        else:
            step = (*above, name) if inner is field.annotation else (*above, name, "0")
            yield from leaves(inner, step)


def _model_of(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _generic(key: Key) -> Key:
    return tuple("0" if step.isdigit() else step for step in key)


def _nearest(key: Key, known: list[Key]) -> str:
    """The same field elsewhere, else a like name in its section, else a like full name."""
    if any(other[: len(key)] == _generic(key) for other in known):
        return ": it is a section, set one of its fields"
    elsewhere = [other for other in known if other[-1] == key[-1]]
    if elsewhere:
        return f"; did you mean {'.'.join(elsewhere[0])}?"
    neighbours = {other[-1]: other for other in known if other[:-1] == _generic(key)[:-1]}
    close = difflib.get_close_matches(key[-1], neighbours, 1, CLOSE_FIELD)
    if close:
        return f"; did you mean {'.'.join(neighbours[close[0]])}?"
    names = {".".join(other): other for other in known}
    close = difflib.get_close_matches(".".join(_generic(key)), names, 1, CLOSE_KEY)
    sections = ", ".join(dict.fromkeys(other[0] for other in known))
    return f"; did you mean {close[0]}?" if close else f"; the sections are {sections}"


def _parse(text: str) -> object:
    """Text stays text (the model converts it); only a list needs parsing."""
    if not text.startswith("["):
        return text
    try:
        return list(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError:
        return text


def _flatten(node: dict[str, Any], above: Key) -> Iterator[tuple[Key, Any]]:
    for name, value in node.items():
        key = (*above, name)
        if isinstance(value, dict):
            yield from _flatten(value, key)
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            yield from _flatten({str(i): v for i, v in enumerate(value)}, key)
        else:
            yield key, value


def _listed(node: object) -> object:
    if not isinstance(node, dict):
        return node
    values = {name: _listed(value) for name, value in node.items()}
    if not values or not all(name.isdigit() for name in values):
        return values
    length = 1 + max(int(name) for name in values)
    return [values.get(str(i), {}) for i in range(min(length, MAX_TABLES))]


HEADER = re.compile(r"^\s*(\[{1,2})\s*([\w.\s\"-]+?)\s*\]{1,2}\s*(#.*)?$")
ASSIGNMENT = re.compile(r"^\s*([\w.\"-]+)\s*=")


def _lines(text: str) -> dict[Key, int]:
    """Line of each assignment. A plain scan: a key that it misses has the file alone as source."""
    section: Key = ()
    counts: dict[str, int] = {}
    lines: dict[Key, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            name = header[2].replace('"', "").replace(" ", "")
            section = tuple(name.split("."))
            if header[1] == "[[":
                section = (*section, str(counts.get(name, 0)))
                counts[name] = counts.get(name, 0) + 1
        elif assignment := ASSIGNMENT.match(line):
            lines[(*section, *assignment[1].replace('"', "").split("."))] = number
    return lines
