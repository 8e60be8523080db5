"""mm: a market maker that measures its market through its own quotes."""

__version__ = "0.1.0"
