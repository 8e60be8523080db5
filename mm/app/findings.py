"""What an examination finds: each finding with its remedy."""

from msgspec import Struct


class Finding(Struct, frozen=True):
    """`level`: ok, warn or fail. `remedy` "" where there is nothing to do."""

    check: str
    level: str
    text: str
    remedy: str = ""
