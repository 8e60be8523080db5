"""The documented default configuration as TOML: what `config/default.toml` holds."""

from collections.abc import Iterator
from inspect import cleandoc

from mm.app.config import SECRETS, Config, Described, describe
from mm.app.config_sections import Section

WIDTH = 100
HEAD = """\
# Every field with its default: the configuration of a bare `mm run`, on the embedded exchange with
# paper money. A file of your own needs only the fields that differ. Each field can be overridden by
# the environment (MM_STRATEGY__GAMMA=0.1) and by `--set strategy.gamma=0.1`; "none" unsets.
# `mm config show` prints what is in force and where it was set.
"""


def template() -> str:
    """Made by `mm config default`; the shipped file is tested to be exactly this."""
    secrets = {".".join(key) for key in SECRETS}
    rows = [row for row in describe(Config()) if row.key not in secrets]
    return HEAD + "\n".join(_lines(rows)) + "\n"


def _lines(rows: list[Described]) -> Iterator[str]:
    section = ""
    for row in rows:
        above, _, name = row.key.rpartition(".")
        if above != section:
            section = above
            yield ""
            yield from (f"# {line}".rstrip() for line in cleandoc(_doc(above)).splitlines())
            yield "[[instruments]]" if above.startswith("instruments") else f"[{above}]"
        line = f"{name} = {row.value}"
        if len(line) + len(row.doc) + 4 <= WIDTH:
            yield f"{line}  # {row.doc}"
        else:
            yield from (f"# {row.doc}", line)


def _doc(path: str) -> str:
    node: object = Config()
    for step in path.split("."):
        node = node[int(step)] if isinstance(node, tuple) else getattr(node, step)
    assert isinstance(node, Section)  # noqa: S101 - every path of a row leads through sections
    return type(node).__doc__ or ""
