"""Linear factor models as scikit-learn estimators."""

from skfactor.linear_model import (
    BiasCorrectedFamaMacBeth,
    FactorBetas,
    FamaMacBeth,
    LinearFactorGMM,
    TradedFactorModel,
)
from skfactor.preprocessing import FactorZScorer, Winsorizer

__all__ = [
    "BiasCorrectedFamaMacBeth",
    "FactorBetas",
    "FactorZScorer",
    "FamaMacBeth",
    "LinearFactorGMM",
    "TradedFactorModel",
    "Winsorizer",
]
__version__ = "0.1.0"
