"""What an account can be told about itself: rows of the venue's lists, built when asked for."""

from decimal import Decimal

from mm.model.exchange import AccountState, PositionRow
from mm.model.instrument import Instrument
from mm.sim.accounts import Account, Position
from mm.sim.grid import Grid, usd
from mm.sim.pit import Pit

ZERO = Decimal(0)
NOTHING = AccountState(ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ())


def account_state(account: Account | None, pits: dict[int, Pit]) -> AccountState:
    """All zeros for an address without an account."""
    if account is None:
        return NOTHING

    def marks(asset: int) -> int:
        return pits[asset].mark_unit

    equity = account.equity(marks)
    held = {asset: p for asset, p in account.positions.items() if p.size}
    maintenance = account.maintenance(marks)
    return AccountState(
        equity=usd(equity),
        cash=usd(account.cash),
        margin_used=usd(account.margin_used(marks)),
        notional=usd(sum(abs(p.size) * marks(a) for a, p in held.items())),
        maintenance_margin=usd(maintenance),
        withdrawable=usd(max(0, equity - account.requirement(marks))),
        positions=tuple(
            _row(position, pits[asset], equity - maintenance) for asset, position in held.items()
        ),
    )


def chosen_leverage(account: Account, instrument: Instrument, default: int) -> tuple[int, bool]:
    """What a position has, or would have, and whether its margin is the common one."""
    position = account.positions.get(instrument.asset)
    if position is not None:
        return position.leverage, position.is_cross
    return min(default, instrument.max_leverage), True


def _row(position: Position, pit: Pit, slack: int) -> PositionRow:
    unit, grid = pit.mark_unit, pit.grid
    return PositionRow(
        coin=pit.coin,
        size=grid.size_out(position.size),
        entry_price=grid.average_price(position.cost, position.size),
        leverage=position.leverage,
        is_cross=position.is_cross,
        max_leverage=position.max_leverage,
        margin_used=usd(position.initial_margin(unit) + position.added),
        notional=usd(abs(position.size) * unit),
        unrealized_pnl=usd(position.unrealised(unit)),
        liquidation_price=_liquidation_price(position, unit, slack, grid),
        funding_since_open=usd(position.funding_since_open),
        funding_all_time=usd(position.funding_all_time),
    )


def _liquidation_price(position: Position, unit: int, slack: int, grid: Grid) -> Decimal | None:
    """Where equity meets maintenance margin if only this price moves; None if it never does.

    From 0 = slack + size·(x - unit) - |size|·(x - unit)/(2·max leverage), x micro-USD per lot.
    """
    size, most = position.size, 2 * position.max_leverage
    x = unit - slack * most / (size * most - abs(size))
    return grid.price_out(round(x / grid.micro)) if x > 0 else None
