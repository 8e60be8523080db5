"""What can be asked of the exchange at this moment, as the venue's JSON."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, TypeAlias

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.server import shapes, universe
from mm.adapters.hyperliquid.server.candles import Candles
from mm.adapters.hyperliquid.server.options import Clock
from mm.adapters.hyperliquid.server.shapes import number
from mm.model.events import Levels
from mm.model.exchange import LocalExchange, OrderRow
from mm.model.units import NS_PER_MS, exact

Json: TypeAlias = dict[str, Any]

DEPTH = 20
FAST_DEPTH = 5
FULL_DEPTH = 1000
MAX_ROWS = 2000
STEP = 10_000
"""Asset ids of each builder's exchange."""


class Views:
    """Reads only. Users and coins are as the exchange names them: lower case, and known."""

    def __init__(self, exchange: LocalExchange, clock: Clock) -> None:
        self.exchange = exchange
        self.candles = Candles()
        self._listed = sorted(exchange.instruments(), key=lambda i: i.asset)
        self.coins = tuple(instrument.name for instrument in self._listed)
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now() // NS_PER_MS

    # -- market ---------------------------------------------------------------------------------

    def l2_book(self, coin: str, n_sig_figs: int | None, mantissa: int | None, fast: bool) -> Json:
        book: Json = {"coin": coin, "time": self.now_ms()}
        if n_sig_figs is None:
            depth = FAST_DEPTH if fast else DEPTH
            sides, counts = self.exchange.book(coin, depth), self.exchange.book_counts(coin, depth)
            book["levels"] = shapes.book_sides(sides, counts)
        else:
            book["levels"] = self._aggregated(coin, n_sig_figs, mantissa or 1, fast)
            book["spread"] = self._spread(coin)
        if fast:
            book["fast"] = True
        return book

    def _aggregated(
        self, coin: str, n_sig_figs: int, mantissa: int, fast: bool
    ) -> list[list[Json]]:
        sides = self.exchange.book(coin, FULL_DEPTH)
        counts = self.exchange.book_counts(coin, FULL_DEPTH)
        depth = FAST_DEPTH if fast else DEPTH
        rounded = (
            _aggregate(levels, orders, (n_sig_figs, mantissa), rounding)
            for levels, orders, rounding in zip(
                sides, counts, (ROUND_FLOOR, ROUND_CEILING), strict=True
            )
        )
        return [rows[:depth] for rows in rounded]

    def _spread(self, coin: str) -> str:
        bids, asks = self.exchange.book(coin, 1)
        if not (bids and asks):
            return "0.0"
        return number(exact(asks[0][0]) - exact(bids[0][0]))

    def bbo(self, coin: str) -> Json:
        sides, counts = self.exchange.book(coin, 1), self.exchange.book_counts(coin, 1)
        touches = [rows[0] if rows else None for rows in shapes.book_sides(sides, counts)]
        return {"coin": coin, "time": self.now_ms(), "bbo": touches}

    def recent_trades(self, coin: str) -> list[Json]:
        return [shapes.trade(report) for report in self.exchange.recent_trades(coin)]

    def mids(self, dex: str | None = None) -> dict[str, str]:
        coins = [coin for coin in self.coins if dex_of(coin) == (dex or "")]
        return {coin: shapes.mid_or_mark(self.exchange.context(coin)) for coin in coins}

    def context(self, coin: str) -> Json:
        return shapes.context(self.exchange.context(coin))

    def dexes(self) -> list[Json | None]:
        """The venue's own first, nameless; then the builders', in the order of their asset ids."""
        names = dict.fromkeys(dex for coin in self.coins if (dex := dex_of(coin)))
        return [None, *({"name": name, "fullName": name} for name in names)]

    def meta(self, dex: str | None = None) -> Json:
        """Of one exchange: the builders' lists have asset ids from an offset on."""
        listed = [one for one in self._listed if dex_of(one.name) == (dex or "")]
        first = listed[0].asset // STEP * STEP if dex and listed else 0
        return universe.meta(listed, first)

    def contexts(self, dex: str | None = None) -> list[Json]:
        """Positional with the universe of `meta`."""
        absent = {"funding": "0.0", "openInterest": "0.0", "markPx": "0.0", "oraclePx": "0.0"}
        return [
            self.context(row["name"]) if row["name"] in self.coins else absent
            for row in self.meta(dex)["universe"]
        ]

    # -- users ----------------------------------------------------------------------------------

    def clearinghouse(self, user: str, dex: str | None = None) -> Json:
        """Each exchange has balances and positions of its own."""
        now_ms = self.now_ms()
        return shapes.clearinghouse(self.exchange.account(user, now_ms, dex or ""), now_ms)

    def equity(self, user: str, coin: str) -> Decimal:
        """Where this coin is listed."""
        return self.exchange.account(user, self.now_ms(), dex_of(coin)).equity

    def active_asset(self, user: str, coin: str) -> Json:
        """The leverage chosen for a coin, and what could be bought and sold with what is free."""
        leverage, is_cross = self.exchange.leverage(user, coin)
        free = self.exchange.account(user, self.now_ms(), dex_of(coin)).withdrawable
        mark = self.exchange.context(coin).mark
        most = shapes.short_number(free * leverage / mark) if mark else "0.0"
        return {
            "user": user,
            "coin": coin,
            "leverage": {"type": "cross" if is_cross else "isolated", "value": leverage},
            "maxTradeSzs": [most, most],
            "availableToTrade": [shapes.short_number(free)] * 2,
            "markPx": number(mark),
        }

    def orders(self, user: str, dex: str | None = None) -> list[OrderRow]:
        rows = self.exchange.open_orders(user)
        return [row for row in rows if dex_of(row.coin) == (dex or "")]

    def open_orders(self, user: str, dex: str | None = None) -> list[Json]:
        return [shapes.frontend_order(row) for row in self.orders(user, dex)]

    def fills(self, user: str, aggregate: bool = False) -> list[Json]:
        """Newest first, at most 2000."""
        newest_first = list(self.exchange.fills(user))[: -MAX_ROWS - 1 : -1]
        if aggregate:
            return shapes.merged_fills(newest_first)
        return [shapes.fill(report) for report in newest_first]

    def fundings(self, user: str) -> list[Json]:
        return [shapes.funding(report) for report in self.exchange.fundings(user)]


def _aggregate(
    levels: Levels, counts: tuple[int, ...], grid: tuple[int, int], rounding: str
) -> list[Json]:
    """Levels rounded away from the market to `grid` = (significant figures, mantissa)."""
    figures, mantissa = grid
    sums: dict[Decimal, tuple[Decimal, int]] = {}
    for (price, size), orders in zip(levels, counts, strict=True):
        at = exact(price)
        step = Decimal(mantissa).scaleb(at.adjusted() - figures + 1)
        rounded = (at / step).to_integral_value(rounding) * step
        total, n = sums.get(rounded, (Decimal(0), 0))
        sums[rounded] = (total + exact(size), n + orders)
    return [{"px": number(price), "sz": number(size), "n": n} for price, (size, n) in sums.items()]
