"""Linear factor models."""

from skfactor.linear_model._bias_corrected import BiasCorrectedFamaMacBeth
from skfactor.linear_model._cross_sectional_target import CrossSectionalTargetRegressor
from skfactor.linear_model._factor_betas import FactorBetas
from skfactor.linear_model._fama_macbeth import FamaMacBeth
from skfactor.linear_model._fundamental_factor_model import FundamentalFactorModel
from skfactor.linear_model._linear_factor_gmm import LinearFactorGMM
from skfactor.linear_model._pooled_regression import PooledRegression
from skfactor.linear_model._ridge_fama_macbeth import RidgeFamaMacBeth
from skfactor.linear_model._shrinkage_sdf import ShrinkageSDF
from skfactor.linear_model._shrinkage_sdf_cv import ShrinkageSDFCV
from skfactor.linear_model._three_pass_premia import ThreePassPremia
from skfactor.linear_model._traded_factor_model import TradedFactorModel

__all__ = [
    "BiasCorrectedFamaMacBeth",
    "CrossSectionalTargetRegressor",
    "FactorBetas",
    "FamaMacBeth",
    "FundamentalFactorModel",
    "LinearFactorGMM",
    "PooledRegression",
    "RidgeFamaMacBeth",
    "ShrinkageSDF",
    "ShrinkageSDFCV",
    "ThreePassPremia",
    "TradedFactorModel",
]
