"""Risk models in the form that portfolio optimizers take."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skfactor._kernels.rounding import NEGATIVE_EIGENVALUE
from skfactor._risk_model import RiskModel
from skfactor._typing import Float64Array, IntArray
from skfactor._validation import numbers, raise_if_repeated


def skfolio_prior(model: RiskModel, expected_returns: pd.Series | None = None) -> BaseEstimator:
    """A prior for skfolio's optimizers, of which the covariance is that of a risk model.

    Parameters
    ----------
    model : RiskModel
        The risk model.
    expected_returns : Series of shape (n_assets,), optional
        Expected returns by asset. None is zero, for portfolios of least risk.

    Returns
    -------
    skfolio.prior.BasePrior
        An estimator to be passed as ``prior_estimator=``. Its `fit` takes the assets from the
        columns of the returns, which have to be a DataFrame, and nothing else.

    Raises
    ------
    ImportError
        If skfolio is not installed.
    TypeError, ValueError
        If the model is not a RiskModel; in `fit`, if the risk or the expected return of an asset is
        not known.

    Examples
    --------
    >>> from skfolio.optimization import MeanRisk  # doctest: +SKIP
    >>> prior = skfolio_prior(risk)  # doctest: +SKIP
    >>> MeanRisk(prior_estimator=prior).fit(returns).weights_  # doctest: +SKIP
    >>> from skfactor.risk import skfolio_prior
    """
    from skfolio.prior import BasePrior, ReturnDistribution

    class RiskModelPrior(BasePrior):  # type: ignore[misc]  # optional
        """Covariance of a risk model for the assets of the returns."""

        def __init__(self, model: RiskModel, expected_returns: pd.Series | None = None) -> None:
            self.model = model
            self.expected_returns = expected_returns

        def fit(self, X: pd.DataFrame, y: object = None, **params: object) -> RiskModelPrior:
            """Take the risk of the columns of X."""
            if not isinstance(X, pd.DataFrame):
                raise TypeError("X has to be a DataFrame whose columns are assets.")
            known, covariance = _of_assets(self.model, X.columns)
            mean = np.zeros(len(known))
            if self.expected_returns is not None:
                mean = numbers(self.expected_returns.reindex(known), "expected_returns")
                if np.isnan(mean).any():
                    raise ValueError(
                        "expected_returns has no value for the assets "
                        f"{list(known[np.isnan(mean)])[:5]}."
                    )
            self.return_distribution_ = ReturnDistribution(
                mu=mean, covariance=covariance, returns=np.asarray(X, dtype=np.float64)
            )
            return self

    _check_model(model)
    return RiskModelPrior(model, expected_returns)


def cvxrisk_model(model: RiskModel, assets: pd.Index | None = None) -> object:
    """A factor model of cvxrisk, for its minimum-risk problems.

    cvxrisk takes a Cholesky factor of the factors' covariance, which has none where a constraint
    ties the factors, as those of groups. It is given uncorrelated factors of variance 1 that span
    the same risk: exposures times the root of the covariance.

    Parameters
    ----------
    model : RiskModel
        The risk model.
    assets : Index of shape (n_assets,), optional
        Assets, in the order of the optimizer's weights. None are all of the model.

    Returns
    -------
    cvx.risk.factor.FactorModel
        Updated with exposures (n_factors, n_assets), covariance and specific **standard
        deviations**. Weights are bounded by 0 and 1 until its ``update`` is called with others.

    Raises
    ------
    ImportError
        If cvxrisk is not installed.
    TypeError, ValueError
        If the model is not a RiskModel, or the risk of an asset is not known.

    Examples
    --------
    >>> from cvx.risk.portfolio import minrisk_problem  # doctest: +SKIP
    >>> from cvx.core.variable import Variable  # doctest: +SKIP
    >>> weights = Variable(len(risk.exposures))  # doctest: +SKIP
    >>> minrisk_problem(cvxrisk_model(risk), weights).solve()  # doctest: +SKIP
    >>> from skfactor.risk import cvxrisk_model
    """
    from cvx.risk.factor import FactorModel

    _check_model(model)
    names = model.exposures.index if assets is None else pd.Index(assets)
    place = _places(model, names)
    values, vectors = np.linalg.eigh(model.factor_covariance.to_numpy())
    real = values > NEGATIVE_EIGENVALUE * max(float(values[-1]), 0.0)
    spanned = model.exposures.to_numpy()[place] @ (vectors[:, real] * np.sqrt(values[real]))
    n, k = spanned.shape
    found = FactorModel(assets=n, k=k)
    found.update(
        exposure=spanned.T,
        cov=np.eye(k),
        idiosyncratic_risk=np.sqrt(model.specific_variance.to_numpy()[place]),
        lower_assets=np.zeros(n),
        upper_assets=np.ones(n),
        lower_factors=np.full(k, -np.inf),
        upper_factors=np.full(k, np.inf),
    )
    return found


def _check_model(model: RiskModel) -> None:
    given: object = model
    if not isinstance(given, RiskModel):
        raise TypeError(f"model has to be a RiskModel; found {type(given).__name__}.")


def _places(model: RiskModel, assets: pd.Index) -> IntArray:
    raise_if_repeated(assets, "the assets")
    place: IntArray = model.exposures.index.get_indexer(assets)
    bad = (place < 0) | assets.isin(model.unknown)
    if bad.any():
        raise ValueError(
            f"The risk of the assets {list(assets[bad])[:5]} is not known. Leave them out."
        )
    return place


def _of_assets(model: RiskModel, assets: pd.Index) -> tuple[pd.Index, Float64Array]:
    place = _places(model, assets)
    covariance: Float64Array = model.covariance().to_numpy()[np.ix_(place, place)]
    return assets, covariance
