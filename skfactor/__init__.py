"""Linear factor models as scikit-learn estimators."""

from skfactor.linear_model import (
    BiasCorrectedFamaMacBeth,
    CrossSectionalTargetRegressor,
    FactorBetas,
    FamaMacBeth,
    LinearFactorGMM,
    RidgeFamaMacBeth,
    TradedFactorModel,
)
from skfactor.preprocessing import (
    FactorImputer,
    FactorNeutralizer,
    FactorRanker,
    FactorSelector,
    FactorZScorer,
    Winsorizer,
)

__all__ = [
    "BiasCorrectedFamaMacBeth",
    "CrossSectionalTargetRegressor",
    "FactorBetas",
    "FactorImputer",
    "FactorNeutralizer",
    "FactorRanker",
    "FactorSelector",
    "FactorZScorer",
    "FamaMacBeth",
    "LinearFactorGMM",
    "RidgeFamaMacBeth",
    "TradedFactorModel",
    "Winsorizer",
]
__version__ = "0.1.0"
