"""From estimates to errors and tests: influence series, covariances, frozen results."""

from skfactor.inference._covariance_risk import FactorScreen, premium_of_covariance, screen_factors
from skfactor.inference._premia import PremiaInference, TestResult
from skfactor.inference._pricing_tests import j_test, shanken_test
from skfactor.inference._r2 import CrossSectionalR2, compare_r2, cross_sectional_r2

__all__ = [
    "CrossSectionalR2",
    "FactorScreen",
    "PremiaInference",
    "TestResult",
    "compare_r2",
    "cross_sectional_r2",
    "j_test",
    "premium_of_covariance",
    "screen_factors",
    "shanken_test",
]
