"""`meta`: what is listed, and the margin tables by which large positions get less leverage."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from mm.adapters.hyperliquid.server.shapes import float_number
from mm.model.instrument import Instrument

Json: TypeAlias = dict[str, Any]
Tiers: TypeAlias = tuple[tuple[float, int], ...]

FIRST_TABLE: Final = 51
"""Tables below have one tier, and are numbered by its leverage, as on the venue."""


def meta(instruments: Sequence[Instrument], first: int = 0) -> Json:
    """The universe; an instrument's place in it is its asset id less `first`, so gaps are delisted
    names."""
    by_asset = {instrument.asset: instrument for instrument in instruments}
    tables: dict[Tiers, int] = {}
    universe: list[Json] = []
    for asset in range(first, max(by_asset, default=-1) + 1):
        found = by_asset.get(asset)
        universe.append(_delisted(asset, tables) if found is None else _row(found, tables))
    return {
        "universe": universe,
        "marginTables": sorted([number, _table(tiers)] for tiers, number in tables.items()),
        "collateralToken": 0,
    }


def _row(instrument: Instrument, tables: dict[Tiers, int]) -> Json:
    most = instrument.max_leverage
    return {
        "name": instrument.name,
        "szDecimals": instrument.size_decimals,
        "maxLeverage": most,
        "marginTableId": _number(((0.0, most), *sorted(instrument.leverage_tiers)), tables),
    }


def _delisted(asset: int, tables: dict[Tiers, int]) -> Json:
    row = {"name": f"DELISTED{asset}", "szDecimals": 0, "maxLeverage": 1}
    return row | {"marginTableId": _number(((0.0, 1),), tables), "isDelisted": True}


def _number(tiers: Tiers, tables: dict[Tiers, int]) -> int:
    return tables.setdefault(tiers, tiers[0][1] if len(tiers) == 1 else FIRST_TABLE + len(tables))


def _table(tiers: Tiers) -> Json:
    rows = [{"lowerBound": float_number(start), "maxLeverage": most} for start, most in tiers]
    return {"description": "", "marginTiers": rows}
