"""Risk of portfolios in a factor model, whichever model it is from."""

from skfactor._risk_model import RiskModel
from skfactor.risk._decomposition import RiskDecomposition, decompose_risk
from skfactor.risk._evaluation import RiskEvaluation, evaluate_risk
from skfactor.risk._ewm_covariance import EWMCovariance
from skfactor.risk._factor_risk_model import FactorRiskModel
from skfactor.risk._optimizers import cvxrisk_model, skfolio_prior
from skfactor.risk._specific_risk import SpecificRisk

__all__ = [
    "EWMCovariance",
    "FactorRiskModel",
    "RiskDecomposition",
    "RiskEvaluation",
    "RiskModel",
    "SpecificRisk",
    "cvxrisk_model",
    "decompose_risk",
    "evaluate_risk",
    "skfolio_prior",
]
