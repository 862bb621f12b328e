"""Linear factor models as scikit-learn estimators."""

from skfactor.preprocessing import FactorZScorer, Winsorizer

__all__ = ["FactorZScorer", "Winsorizer"]
__version__ = "0.1.0"
