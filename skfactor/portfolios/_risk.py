"""A portfolio's volatility split by factor and by asset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skfactor._typing import Float64Array
from skfactor._validation import numbers, raise_if_repeated
from skfactor.linear_model import FactorBetas


@dataclass(frozen=True, eq=False)
class RiskDecomposition:
    """Volatility of a portfolio in a factor model, split two ways.

    Made by `decompose_risk`; in the units of the returns, a period. The columns of both tables are
    ``marginal``, the derivative of the volatility with respect to the exposure (or weight),
    ``contribution``, marginal times exposure, and ``share`` of the volatility.

    Attributes
    ----------
    volatility : float
        Standard deviation of the portfolio's return.
    by_factor : DataFrame of shape (n_factors + 1, 4)
        A row a factor, with its ``exposure``, and ``"specific"``, of which the portfolio has one
        unit. Contributions sum to the volatility.
    by_asset : DataFrame of shape (n_assets, 4)
        A row an asset with its ``weight``. Contributions sum to the volatility.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.portfolios import decompose_risk
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> model = FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> risk = decompose_risk(pd.Series({"NoDur": -0.5, "BusEq": 0.5}), model)
    >>> risk.by_factor.round(4)
              exposure  marginal  contribution   share
    factor
    MktRF       0.1744    0.0189        0.0033  0.1486
    SMB         0.1058    0.0082        0.0009  0.0389
    HML        -0.3120   -0.0126        0.0039  0.1776
    specific    1.0000    0.0141        0.0141  0.6349
    """

    volatility: float
    by_factor: pd.DataFrame
    by_asset: pd.DataFrame

    @property
    def factor_volatility(self) -> float:
        """Volatility from the factors alone."""
        contributions = self.by_factor["contribution"]
        return float(np.sqrt(max(self.volatility * contributions.iloc[:-1].sum(), 0.0)))

    @property
    def specific_volatility(self) -> float:
        """Volatility from the assets' residuals alone; squares of both sum to the variance."""
        return float(np.sqrt(self.volatility * self.by_factor["contribution"].iloc[-1]))


def decompose_risk(weights: pd.Series, model: FactorBetas) -> RiskDecomposition:
    r"""Split the volatility that a factor model implies for a portfolio.

    With the betas B, the factors' covariance and the residuals' variances D of
    ``model.covariance()`` the exposures are :math:`b = B'w`, the variance is
    :math:`b'\Sigma_f b + w'Dw`, and factor k contributes
    :math:`b_k (\Sigma_f b)_k / \sigma`.

    Parameters
    ----------
    weights : Series of shape (n_assets,)
        Weights by asset, used as given; assets that are not named weigh nothing.
    model : FactorBetas
        Fitted to the assets' returns.

    Returns
    -------
    RiskDecomposition

    Raises
    ------
    TypeError
        If the weights are not a Series, or the model is no FactorBetas.
    ValueError
        If an asset is unknown, has no betas, or occurs twice, a weight is missing, or the
        volatility is zero.

    Notes
    -----
    Residuals are taken as uncorrelated between assets. The factors' covariance is that of the dates
    on which none of them is missing.

    References
    ----------
    .. [1] Litterman, R. (1996), "Hot Spots and Hedges", Journal of Portfolio Management 23(5),
       52-75.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.portfolios import decompose_risk
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> weights = returns.iloc[0] * 0.0 + 1.0 / returns.shape[1]
    >>> risk = decompose_risk(weights, FactorBetas().fit(factors, returns))
    >>> bool(abs(risk.by_asset["contribution"].sum() - risk.volatility) < 1e-15)
    True
    """
    if not isinstance(weights, pd.Series):
        raise TypeError(f"weights has to be a Series by asset; found {type(weights).__name__}.")
    if not isinstance(model, FactorBetas):
        raise TypeError(
            f"model has to be a FactorBetas, such as first_pass_ of a model that has one; found "
            f"{type(model).__name__}."
        )
    check_is_fitted(model)
    raise_if_repeated(weights.index, "weights")
    unknown = weights.index.difference(model.betas_.index)
    if len(unknown):
        raise ValueError(f"The assets {list(unknown)} of the weights were not in fit.")
    w = numbers(weights, "weights")
    if np.isnan(w).any():
        raise ValueError("The weights hold NaN; pass 0 for no position.")
    held = model.betas_.index.isin(weights.index[w != 0.0])
    missing = list(model.betas_.index[held & model.betas_.isna().any(axis=1)])
    if missing:
        raise ValueError(f"The assets {missing} have no betas: too few observations in fit.")
    betas = model.betas_.loc[weights.index].fillna(0.0).to_numpy()
    factors, variances = model._covariance_parts()
    specific = np.nan_to_num(variances[model.betas_.index.get_indexer(weights.index)])
    exposures = betas.T @ w
    by_factor, by_asset = factors @ exposures, specific * w
    specific_variance = float(w @ by_asset)
    volatility = float(np.sqrt(exposures @ by_factor + specific_variance))
    if volatility == 0.0:
        raise ValueError("The portfolio has no risk to split: all weights or returns are zero.")
    names = pd.Index([*model.betas_.columns, "specific"], name="factor")
    return RiskDecomposition(
        volatility,
        _table("exposure", [*exposures, 1.0], [*by_factor, specific_variance], volatility, names),
        _table("weight", w, betas @ by_factor + by_asset, volatility, weights.index),
    )


def _table(
    what: str,
    exposures: Float64Array | list[float],
    covariances: Float64Array | list[float],
    volatility: float,
    index: pd.Index,
) -> pd.DataFrame:
    """Marginal contributions and the rest, from covariances with the portfolio's return."""
    marginal = np.asarray(covariances) / volatility
    contribution = np.asarray(exposures) * marginal
    return pd.DataFrame(
        {
            what: exposures,
            "marginal": marginal,
            "contribution": contribution,
            "share": contribution / volatility,
        },
        index=index,
    )
