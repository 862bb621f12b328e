"""Linear factor models as scikit-learn estimators."""

from skfactor.decomposition import (
    InstrumentedPCA,
    InstrumentedPCACV,
    ReturnPCA,
    RiskPremiumPCA,
)
from skfactor.formula import FormulaRegressor
from skfactor.linear_model import (
    BiasCorrectedFamaMacBeth,
    CrossSectionalTargetRegressor,
    FactorBetas,
    FamaMacBeth,
    LinearFactorGMM,
    PooledRegression,
    RidgeFamaMacBeth,
    ShrinkageSDF,
    ShrinkageSDFCV,
    ThreePassPremia,
    TradedFactorModel,
)
from skfactor.portfolios import PortfolioSorter
from skfactor.preprocessing import (
    FactorImputer,
    FactorInteractions,
    FactorNeutralizer,
    FactorRanker,
    FactorSelector,
    FactorZScorer,
    Trimmer,
    Winsorizer,
)

__all__ = [
    "BiasCorrectedFamaMacBeth",
    "CrossSectionalTargetRegressor",
    "FactorBetas",
    "FactorImputer",
    "FactorInteractions",
    "FactorNeutralizer",
    "FactorRanker",
    "FactorSelector",
    "FactorZScorer",
    "FamaMacBeth",
    "FormulaRegressor",
    "InstrumentedPCA",
    "InstrumentedPCACV",
    "LinearFactorGMM",
    "PooledRegression",
    "PortfolioSorter",
    "ReturnPCA",
    "RidgeFamaMacBeth",
    "RiskPremiumPCA",
    "ShrinkageSDF",
    "ShrinkageSDFCV",
    "ThreePassPremia",
    "TradedFactorModel",
    "Trimmer",
    "Winsorizer",
]
__version__ = "0.1.0"
