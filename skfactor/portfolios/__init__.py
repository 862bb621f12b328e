"""Portfolios: sorts and factors, long-short positions, what they earn, and their risk."""

from skfactor.portfolios._attribution import Attribution, attribute
from skfactor.portfolios._factor_returns import (
    factor_returns,
    fama_french_factors,
    slope_factors,
)
from skfactor.portfolios._hedge import Hedge, hedge
from skfactor.portfolios._holdings import HeldPortfolio, hold_portfolio
from skfactor.portfolios._long_short import long_short, long_short_weights
from skfactor.portfolios._returns import portfolio_returns
from skfactor.portfolios._sorter import PortfolioSorter

__all__ = [
    "Attribution",
    "Hedge",
    "HeldPortfolio",
    "PortfolioSorter",
    "attribute",
    "factor_returns",
    "fama_french_factors",
    "hedge",
    "hold_portfolio",
    "long_short",
    "long_short_weights",
    "portfolio_returns",
    "slope_factors",
]
