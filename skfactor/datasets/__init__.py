"""Data to learn on, test with and measure against: bundled returns and prices, simulated panels."""

from skfactor.datasets._bundled import load_factor_etfs, load_french, load_sp500, load_stocks
from skfactor.datasets._simulated import make_panel, make_two_pass

__all__ = [
    "load_factor_etfs",
    "load_french",
    "load_sp500",
    "load_stocks",
    "make_panel",
    "make_two_pass",
]
