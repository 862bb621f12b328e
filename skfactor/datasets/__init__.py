"""Data to learn on: bundled returns and prices, simulated panels, the French data library."""

from skfactor.datasets._bundled import load_factor_etfs, load_french, load_sp500, load_stocks
from skfactor.datasets._french_library import fetch_french, fetch_french_tables
from skfactor.datasets._parquet import iter_parquet
from skfactor.datasets._simulated import make_panel, make_two_pass

__all__ = [
    "fetch_french",
    "fetch_french_tables",
    "iter_parquet",
    "load_factor_etfs",
    "load_french",
    "load_sp500",
    "load_stocks",
    "make_panel",
    "make_two_pass",
]
