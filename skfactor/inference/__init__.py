"""From estimates to errors and tests: influence series, covariances, frozen results."""

from skfactor.inference._adjusted import AdjustedTests
from skfactor.inference._against_many import ManyComparisons
from skfactor.inference._bootstrap import BootstrapInference
from skfactor.inference._covariance import register_covariance
from skfactor.inference._covariance_kind import PremiaCovariance
from skfactor.inference._covariance_risk import (
    FactorScreen,
    price_of_covariance_risk,
    screen_factors,
)
from skfactor.inference._diagnostics import Diagnostics
from skfactor.inference._grs import AlphaInference, grs_test
from skfactor.inference._hj_distance import HJDistance, hj_distance
from skfactor.inference._many_alphas import SelectedAlphas, alpha_test, select_alphas
from skfactor.inference._monotonicity import monotonicity_test
from skfactor.inference._premia import PremiaInference, TestResult
from skfactor.inference._pricing_tests import j_test, shanken_test
from skfactor.inference._r2 import (
    CrossSectionalR2,
    ModelComparison,
    compare_r2,
    cross_sectional_r2,
)
from skfactor.inference._r2_interval import R2Interval, r2_interval
from skfactor.inference._rank import rank_test
from skfactor.inference._robust_set import IdentificationRobustSet, identification_robust_set
from skfactor.inference._sharpe import compare_sharpe
from skfactor.inference._spanning import SpanningTest, spanning_test

__all__ = [
    "AdjustedTests",
    "AlphaInference",
    "BootstrapInference",
    "CrossSectionalR2",
    "Diagnostics",
    "FactorScreen",
    "HJDistance",
    "IdentificationRobustSet",
    "ManyComparisons",
    "ModelComparison",
    "PremiaCovariance",
    "PremiaInference",
    "R2Interval",
    "SelectedAlphas",
    "SpanningTest",
    "TestResult",
    "alpha_test",
    "compare_r2",
    "compare_sharpe",
    "cross_sectional_r2",
    "grs_test",
    "hj_distance",
    "identification_robust_set",
    "j_test",
    "monotonicity_test",
    "price_of_covariance_risk",
    "r2_interval",
    "rank_test",
    "register_covariance",
    "screen_factors",
    "select_alphas",
    "shanken_test",
    "spanning_test",
]
