"""From estimates to errors and tests: influence series, covariances, frozen results."""

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
from skfactor.inference._premia import PremiaInference, TestResult
from skfactor.inference._pricing_tests import j_test, shanken_test
from skfactor.inference._r2 import CrossSectionalR2, compare_r2, cross_sectional_r2
from skfactor.inference._rank import rank_test

__all__ = [
    "AlphaInference",
    "CrossSectionalR2",
    "Diagnostics",
    "FactorScreen",
    "HJDistance",
    "PremiaCovariance",
    "PremiaInference",
    "TestResult",
    "compare_r2",
    "cross_sectional_r2",
    "grs_test",
    "hj_distance",
    "j_test",
    "price_of_covariance_risk",
    "rank_test",
    "register_covariance",
    "screen_factors",
    "shanken_test",
]
