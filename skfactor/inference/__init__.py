"""From estimates to errors and tests: influence series, covariances, frozen results."""

from skfactor.inference._premia import PremiaInference, TestResult

__all__ = ["PremiaInference", "TestResult"]
