"""What an account can be told about itself: rows of the venue's lists, built when asked for."""

from decimal import Decimal

from mm.model.exchange import AccountState, PositionRow
from mm.model.instrument import Instrument
from mm.sim.accounts import Account, Position, Purse
from mm.sim.grid import usd
from mm.sim.margin import liquidation_unit
from mm.sim.pit import Pit

ZERO = Decimal(0)
NOTHING = AccountState(ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ())


def account_state(purse: Purse | None, pits: dict[int, Pit]) -> AccountState:
    """All zeros where there is nothing."""
    if purse is None:
        return NOTHING

    def marks(asset: int) -> int:
        return pits[asset].mark_unit

    equity = purse.equity(marks)
    held = {asset: p for asset, p in purse.positions.items() if p.size}
    pool, maintenance = purse.pool(marks), purse.maintenance(marks)
    return AccountState(
        equity=usd(equity),
        cash=usd(purse.cash),
        margin_used=usd(purse.margin_used(marks)),
        notional=usd(sum(abs(p.size) * marks(a) for a, p in held.items())),
        maintenance_margin=usd(maintenance),
        withdrawable=usd(max(0, equity - purse.requirement(marks))),
        positions=tuple(
            _row(position, pits[asset], pool - maintenance) for asset, position in held.items()
        ),
    )


def chosen_leverage(account: Account, instrument: Instrument, default: int) -> tuple[int, bool]:
    """What a position has, or would have, and whether its margin is the common one."""
    position = account.positions.get(instrument.asset)
    if position is not None:
        return position.leverage, position.is_cross
    return min(default, instrument.max_leverage), True


def _row(position: Position, pit: Pit, slack: int) -> PositionRow:
    """`slack`: the cross pool's equity above its maintenance margin."""
    unit, grid = pit.mark_unit, pit.grid
    if not position.is_cross:
        slack = position.margin_used(unit) - position.maintenance_margin(unit)
    edge = liquidation_unit(position.size, unit, slack, position.tiers)
    return PositionRow(
        coin=pit.coin,
        size=grid.size_out(position.size),
        entry_price=grid.average_price(position.cost, position.size),
        leverage=position.leverage,
        is_cross=position.is_cross,
        max_leverage=position.max_leverage,
        margin_used=usd(position.margin_used(unit)),
        notional=usd(abs(position.size) * unit),
        unrealized_pnl=usd(position.unrealised(unit)),
        liquidation_price=None if edge is None else grid.price_out(round(edge / grid.micro)),
        funding_since_open=usd(position.funding_since_open),
        funding_all_time=usd(position.funding_all_time),
    )
