"""Configuration of what all instruments of the account may hold together."""

from pydantic import Field

from mm.app.config_sections import OptionalFloat, Section


class PortfolioConfig(Section):
    """All instruments together, positions and resting orders at their worst.

    Margin is always respected. Loss limits are those of [risk]: they count the account's equity,
    and one that trips halts every instrument.
    """

    max_gross_usd: OptionalFloat = Field(
        default=None, gt=0, le=1e9, description='Sum of worst cases, USD; "none": margin alone.'
    )
    max_net_usd: OptionalFloat = Field(
        default=None,
        gt=0,
        le=1e9,
        description='The same, longs less shorts either way, USD; "none": no limit.',
    )
