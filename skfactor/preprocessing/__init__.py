"""Transformers that treat each date as its own cross-section."""

from skfactor.preprocessing._imputer import FactorImputer
from skfactor.preprocessing._interactions import FactorInteractions, constant_within_dates
from skfactor.preprocessing._neutralizer import FactorNeutralizer
from skfactor.preprocessing._ranker import FactorRanker
from skfactor.preprocessing._selector import FactorSelector
from skfactor.preprocessing._trimmer import Trimmer
from skfactor.preprocessing._winsorizer import Winsorizer
from skfactor.preprocessing._z_scorer import FactorZScorer

__all__ = [
    "FactorImputer",
    "FactorInteractions",
    "FactorNeutralizer",
    "FactorRanker",
    "FactorSelector",
    "FactorZScorer",
    "Trimmer",
    "Winsorizer",
    "constant_within_dates",
]
