"""Pictures of factor models, as scikit-learn's displays; needs the extra ``plot``."""

from skfactor.plotting._betas_display import BetasDisplay
from skfactor.plotting._factor_returns_display import FactorReturnsDisplay
from skfactor.plotting._premia_display import PremiaDisplay
from skfactor.plotting._premia_path_display import PremiaPathDisplay
from skfactor.plotting._pricing_error_display import PricingErrorDisplay

__all__ = [
    "BetasDisplay",
    "FactorReturnsDisplay",
    "PremiaDisplay",
    "PremiaPathDisplay",
    "PricingErrorDisplay",
]
