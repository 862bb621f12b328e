"""Linear factor models."""

from skfactor.linear_model._factor_betas import FactorBetas
from skfactor.linear_model._fama_macbeth import FamaMacBeth

__all__ = ["FactorBetas", "FamaMacBeth"]
