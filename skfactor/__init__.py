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
    FundamentalFactorModel,
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
from skfactor.risk import EWMCovariance, FactorRiskModel, SpecificRisk

__all__ = [
    "BiasCorrectedFamaMacBeth",
    "CrossSectionalTargetRegressor",
    "EWMCovariance",
    "FactorBetas",
    "FactorImputer",
    "FactorInteractions",
    "FactorNeutralizer",
    "FactorRanker",
    "FactorRiskModel",
    "FactorSelector",
    "FactorZScorer",
    "FamaMacBeth",
    "FormulaRegressor",
    "FundamentalFactorModel",
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
    "SpecificRisk",
    "ThreePassPremia",
    "TradedFactorModel",
    "Trimmer",
    "Winsorizer",
]
__version__ = "0.1.0"
