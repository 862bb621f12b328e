"""Transformers that treat each date as its own cross-section."""

from skfactor.preprocessing._winsorizer import Winsorizer
from skfactor.preprocessing._z_scorer import FactorZScorer

__all__ = ["FactorZScorer", "Winsorizer"]
