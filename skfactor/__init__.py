"""Linear factor models as scikit-learn estimators."""

from skfactor.linear_model import FactorBetas, FamaMacBeth, TradedFactorModel
from skfactor.preprocessing import FactorZScorer, Winsorizer

__all__ = ["FactorBetas", "FactorZScorer", "FamaMacBeth", "TradedFactorModel", "Winsorizer"]
__version__ = "0.1.0"
