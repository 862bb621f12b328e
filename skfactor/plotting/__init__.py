"""Pictures of factor models, as scikit-learn's displays; needs the extra ``plot``."""

from skfactor.plotting._betas_display import BetasDisplay
from skfactor.plotting._characteristic_display import CharacteristicDisplay
from skfactor.plotting._factor_returns_display import FactorReturnsDisplay
from skfactor.plotting._factor_set_display import FactorSetDisplay
from skfactor.plotting._ic_display import ICDisplay
from skfactor.plotting._identification_robust_set_display import IdentificationRobustSetDisplay
from skfactor.plotting._premia_display import PremiaDisplay
from skfactor.plotting._premia_path_display import PremiaPathDisplay
from skfactor.plotting._pricing_error_display import PricingErrorDisplay
from skfactor.plotting._quantile_returns_display import QuantileReturnsDisplay
from skfactor.plotting._risk_display import RiskDisplay
from skfactor.plotting._risk_evaluation_display import RiskEvaluationDisplay
from skfactor.plotting._split_display import SplitDisplay

__all__ = [
    "BetasDisplay",
    "CharacteristicDisplay",
    "FactorReturnsDisplay",
    "FactorSetDisplay",
    "ICDisplay",
    "IdentificationRobustSetDisplay",
    "PremiaDisplay",
    "PremiaPathDisplay",
    "PricingErrorDisplay",
    "QuantileReturnsDisplay",
    "RiskDisplay",
    "RiskEvaluationDisplay",
    "SplitDisplay",
]
