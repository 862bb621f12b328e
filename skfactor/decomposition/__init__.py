"""Latent factors, and how many there are."""

from skfactor.decomposition._instrumented_inference import InstrumentedPCAInference
from skfactor.decomposition._instrumented_pca import InstrumentedPCA
from skfactor.decomposition._instrumented_pca_cv import InstrumentedPCACV
from skfactor.decomposition._n_factors import NumberOfFactors, n_factors
from skfactor.decomposition._return_pca import ReturnPCA
from skfactor.decomposition._risk_premium_pca import RiskPremiumPCA

__all__ = [
    "InstrumentedPCA",
    "InstrumentedPCACV",
    "InstrumentedPCAInference",
    "NumberOfFactors",
    "ReturnPCA",
    "RiskPremiumPCA",
    "n_factors",
]
