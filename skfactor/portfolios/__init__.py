"""Portfolios: long-short positions, what they earn, where it comes from, and their risk."""

from skfactor.portfolios._attribution import Attribution, attribute
from skfactor.portfolios._hedge import Hedge, hedge
from skfactor.portfolios._holdings import HeldPortfolio, hold_portfolio
from skfactor.portfolios._long_short import long_short, long_short_weights
from skfactor.portfolios._risk import RiskDecomposition, decompose_risk

__all__ = [
    "Attribution",
    "Hedge",
    "HeldPortfolio",
    "RiskDecomposition",
    "attribute",
    "decompose_risk",
    "hedge",
    "hold_portfolio",
    "long_short",
    "long_short_weights",
]
