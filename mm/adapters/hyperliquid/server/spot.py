"""Spot pairs that every client of the venue looks up at its start; nothing trades in them here."""

from typing import Any, Final

_TOKENS: Final = (
    ("USDC", 8, 8, "0x6d1e7cde53ba9467b783cb7c530ce054"),
    ("PURR", 0, 5, "0xc1fb593aeffbeb02f85e0308e9956a90"),
    ("HFUN", 2, 8, "0xbaf265ef389da684513d98d68edf4eae"),
)
PAIRS: Final = ("PURR/USDC", "@1")
"""By spot index; asset ids are 10,000 + index, and an order for one is refused."""


def meta() -> dict[str, Any]:
    tokens = [
        {
            "name": name,
            "szDecimals": size_decimals,
            "weiDecimals": wei_decimals,
            "index": index,
            "tokenId": token,
            "isCanonical": name != "HFUN",
            "evmContract": None,
            "fullName": None,
        }
        for index, (name, size_decimals, wei_decimals, token) in enumerate(_TOKENS)
    ]
    universe = [
        {"name": name, "tokens": [index + 1, 0], "index": index, "isCanonical": name[0] != "@"}
        for index, name in enumerate(PAIRS)
    ]
    return {"universe": universe, "tokens": tokens}


def contexts() -> list[dict[str, Any]]:
    """Positional with the universe: no price, no volume."""
    return [
        {
            "coin": name,
            "prevDayPx": "0.0",
            "dayNtlVlm": "0.0",
            "dayBaseVlm": "0.0",
            "markPx": "0.0",
            "midPx": None,
            "circulatingSupply": "0.0",
            "totalSupply": "0.0",
        }
        for name in PAIRS
    ]
