"""A portfolio's volatility split by factor and by asset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._fitted import risk_model_of
from skfactor._results import Result, figure_text
from skfactor._typing import Float64Array

_SPECIFIC = "specific"


@dataclass(frozen=True, eq=False, repr=False)
class RiskDecomposition(Result):
    """Volatility of a portfolio in a factor model, split two ways.

    Made by `decompose_risk`; in the units of the returns, per period. The columns of both tables
    are ``marginal``, the derivative of the volatility with respect to the exposure (or weight),
    ``contribution``, marginal times exposure, and ``share`` of the volatility.

    Attributes
    ----------
    volatility : float
        Standard deviation of the portfolio's return.
    by_factor : DataFrame of shape (n_factors + 1, 4)
        One row per factor, with its ``exposure``, and ``"specific"``, of which the portfolio has
        one unit. Contributions sum to the volatility.
    by_asset : DataFrame of shape (n_assets, 4)
        One row per asset with its ``weight``. Contributions sum to the volatility.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> from skfactor.risk import decompose_risk
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

    def _parts(self) -> Iterator[str | pd.DataFrame]:
        yield (
            f"Volatility {figure_text(self.volatility)}: "
            f"{figure_text(self.factor_volatility)} from factors, "
            f"{figure_text(self.specific_volatility)} specific"
        )
        yield self.by_factor
        yield f"{len(self.by_asset)} assets:"
        yield self.by_asset

    @property
    def factor_volatility(self) -> float:
        """Volatility from the factors alone."""
        contributions = self.by_factor["contribution"]
        return float(np.sqrt(max(self.volatility * contributions.iloc[:-1].sum(), 0.0)))

    @property
    def specific_volatility(self) -> float:
        """Volatility from the assets' residuals alone; squares of both sum to the variance."""
        return float(np.sqrt(self.volatility * self.by_factor["contribution"].iloc[-1]))


def decompose_risk(weights: pd.Series, model: BaseEstimator) -> RiskDecomposition:
    r"""Split the volatility that a factor model implies for a portfolio.

    With the exposures X, the factors' covariance F and the specific variances D of the model the
    portfolio's exposures are :math:`b = X'w`, its variance is :math:`b'Fb + w'Dw`, and factor k
    contributes :math:`b_k (F b)_k / \sigma`.

    Parameters
    ----------
    weights : Series of shape (n_assets,)
        Weights by asset, used as given; assets that are not named have a weight of 0.
    model : RiskModel or estimator
        A `RiskModel`, or a fitted model that gives one, such as `skfactor.FactorBetas`; also a
        two-pass model, and pipelines, searches and formulas that hold one.

    Returns
    -------
    RiskDecomposition

    Raises
    ------
    TypeError
        If the weights are not a Series, or nothing in the model gives a risk model.
    ValueError
        If an asset is not in the model, has no exposures, or occurs twice, a weight is missing, a
        factor is called ``"specific"``, or the volatility is zero.

    Notes
    -----
    Specific returns are taken as uncorrelated between assets. No matrix of all pairs of assets is
    formed.

    References
    ----------
    .. [1] Litterman, R. (1996), "Hot Spots and Hedges", Journal of Portfolio Management 23(5),
       52-75.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import make_two_pass
    >>> from skfactor.risk import decompose_risk
    >>> factors, returns = make_two_pass(random_state=0, return_X_y=True)
    >>> weights = returns.iloc[0] * 0.0 + 1.0 / returns.shape[1]
    >>> risk = decompose_risk(weights, FactorBetas().fit(factors, returns))
    >>> bool(abs(risk.by_asset["contribution"].sum() - risk.volatility) < 1e-15)
    True
    """
    if not isinstance(weights, pd.Series):
        raise TypeError(f"weights has to be a Series by asset; found {type(weights).__name__}.")
    risk = risk_model_of(model, "decompose_risk")
    names = risk.exposures.columns
    if _SPECIFIC in names:
        raise ValueError("A factor is called 'specific', the name of the rest. Rename it.")
    exposures, covariance = risk.portfolio_exposures(weights), risk.factor_covariance
    by_factor = covariance.to_numpy() @ exposures.to_numpy()
    held = weights.index
    specific = risk.specific_variance.loc[held].to_numpy()
    w = weights.to_numpy(dtype=np.float64)
    by_asset = np.where(w == 0.0, 0.0, specific * w)
    specific_variance = float(w @ by_asset)
    volatility = float(np.sqrt(max(exposures @ by_factor, 0.0) + specific_variance))
    if volatility == 0.0:
        raise ValueError("The portfolio has no risk to split: all weights or returns are zero.")
    common = risk.exposures.loc[held].to_numpy() @ by_factor
    return RiskDecomposition(
        volatility,
        _table(
            "exposure",
            [*exposures, 1.0],
            [*by_factor, specific_variance],
            volatility,
            pd.Index([*names, _SPECIFIC], name="factor"),
        ),
        _table("weight", w, common + by_asset, volatility, held),
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
    exposures = np.asarray(exposures)
    # The covariance of an unknown asset is not known, and without a position it is not needed.
    contribution = np.where(exposures == 0.0, 0.0, exposures * marginal)
    return pd.DataFrame(
        {
            what: exposures,
            "marginal": marginal,
            "contribution": contribution,
            "share": contribution / volatility,
        },
        index=index,
    )
