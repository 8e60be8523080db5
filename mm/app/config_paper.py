"""Configuration of paper trading: whose data, what money, how the pretended venue fills."""

from typing import Literal

from pydantic import Field

from mm.app.config_sections import Section


class PaperConfig(Section):
    """Paper trading (venue.network = "paper"): live public data, fills decided here."""

    source: Literal["mainnet", "testnet"] = Field(
        default="mainnet",
        description="Whose public data; venue.base_url, where set, names another venue.",
    )
    equity_usd: float = Field(
        default=10_000.0,
        gt=0,
        le=1e9,
        description="What the paper account begins with on each exchange, USD.",
    )
    maker_fee_bps: float = Field(
        default=1.5, ge=-5, le=50, description="Fee of a maker's fill, bps; negative: a rebate."
    )
    taker_fee_bps: float = Field(
        default=4.5, ge=0, le=50, description="Fee of a taker's fill, bps."
    )
    round_trip_ms: float = Field(
        default=250.0,
        ge=0,
        le=10_000,
        description="Median time from a market event at the venue to our answer to it there, ms.",
    )
    round_trip_log_sd: float = Field(
        default=0.4, ge=0, le=2, description="Spread of that time: sd of its logarithm."
    )
    queue: Literal["pro_rata", "conservative"] = Field(
        default="pro_rata",
        description="Who cancels at our price: everybody alike, or those behind us first.",
    )
    seed: int = Field(default=1, ge=0, description="Seed of the delays.")
