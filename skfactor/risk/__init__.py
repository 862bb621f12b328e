"""Risk of portfolios in a factor model, whichever model it is from."""

from skfactor._risk_model import RiskModel
from skfactor.risk._decomposition import RiskDecomposition, decompose_risk

__all__ = ["RiskDecomposition", "RiskModel", "decompose_risk"]
