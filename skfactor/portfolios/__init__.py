"""Portfolios: long-short positions, what they earn, their hedges and their risk."""

from skfactor.portfolios._holdings import HeldPortfolio, hold_portfolio
from skfactor.portfolios._long_short import long_short, long_short_weights

__all__ = ["HeldPortfolio", "hold_portfolio", "long_short", "long_short_weights"]
