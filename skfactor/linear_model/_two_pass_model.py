"""The wide form: returns with one column per asset, whose betas a first pass estimates."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from skfactor._kernels.portfolio_betas import portfolio_beta_covariance
from skfactor._passes.first_pass import FirstPass, first_pass_of, table_of_betas
from skfactor._passes.slopes import Slopes
from skfactor._passes.two_pass import TwoPassFit
from skfactor._sklearn import HasMethods, StrOptions
from skfactor.inference._beta_errors import beta_covariance, check_beta_errors
from skfactor.inference._long_run import LongRun
from skfactor.linear_model._factor_betas import FactorBetas, fit_first_pass
from skfactor.linear_model._premia_model import PREMIA_CONSTRAINTS, PremiaModel

TWO_PASS_CONSTRAINTS: dict[str, list[Any]] = {
    **PREMIA_CONSTRAINTS,
    "betas": [HasMethods(["fit", "get_params"]), None],
    "weighting": [StrOptions({"ols", "wls", "gls"})],
}


class TwoPassModel(PremiaModel):
    """A model of premia that estimates betas by a first pass."""

    __metadata_request__fit: ClassVar = {"dates": True}

    betas: BaseEstimator | None
    weighting: str
    betas_: pd.DataFrame
    pricing_errors_: pd.Series

    def _first_pass(
        self, factors: pd.DataFrame, returns: pd.DataFrame
    ) -> tuple[BaseEstimator, FirstPass]:
        """The first pass, fitted, and its record."""
        first_pass = FactorBetas() if self.betas is None else clone(self.betas)
        fitted = fit_first_pass(first_pass, factors, returns)
        return fitted, first_pass_of(fitted, returns.columns)

    def _finish_wide(self, slopes: Slopes, fit: TwoPassFit, assets: pd.Index) -> None:
        self._finish(slopes, fit)
        self.betas_ = self.first_pass_.betas_
        self.expected_returns_ = self._expected(self.betas_.to_numpy(), assets)

    def portfolio_betas(
        self,
        weights: pd.Series | pd.DataFrame,
        covariance: str = "classical",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
    ) -> pd.DataFrame:
        """Betas of portfolios of the assets, with errors from the full residual covariance.

        Parameters
        ----------
        weights : Series of shape (n_assets,) or DataFrame of shape (n_assets, n_portfolios)
            Portfolio weights by asset, used as given; assets that are not named have a weight of 0.
        covariance, kernel, bandwidth
            As in `FactorBetas.standard_errors`.

        Returns
        -------
        DataFrame
            Columns ``beta``, ``std_error``, ``t_value`` and ``p_value``; one row per factor, or per
            portfolio and factor for a DataFrame of weights. With complete returns they are
            those of the regression of the portfolio's own return.

        Raises
        ------
        ValueError
            In panel form, or if an asset is unknown, has no betas, or a weight is missing, or
            options of the errors mean nothing.
        """
        fit = self._wide_form("portfolio_betas")
        if fit.first.special:
            raise ValueError(
                "portfolio_betas needs betas of the whole sample, with equal weights, and these "
                f"are {fit.first.special}. Regress the portfolio's own return instead."
            )
        fit.first.raise_if_collinear("portfolio_betas")
        long_run = check_beta_errors("portfolio_betas", covariance, kernel, bandwidth)
        robust = None if covariance == "classical" else long_run
        if isinstance(weights, pd.Series):
            return _one_portfolio(fit, weights, robust)
        if not isinstance(weights, pd.DataFrame):
            raise ValueError(
                f"weights is a {type(weights).__name__}; pass a Series or DataFrame indexed by "
                "asset, so that it is known which asset a weight belongs to."
            )
        tables = [_one_portfolio(fit, column, robust) for _, column in weights.items()]
        return pd.concat(tables, keys=list(weights.columns), names=["portfolio", "factor"])

    def _wide_form(self, what: str) -> TwoPassFit:
        check_is_fitted(self)
        if self.record_.two_pass is None:
            raise ValueError(
                f"{what} needs the wide form, y with one column per asset; this model was fitted "
                "on a panel, whose exposures are given."
            )
        return self.record_.two_pass


def _one_portfolio(fit: TwoPassFit, weights: pd.Series, robust: LongRun | None) -> pd.DataFrame:
    first, factors = fit.first, fit.factors
    unknown = weights.index.difference(first.betas.index)
    if len(unknown):
        raise ValueError(f"The assets {list(unknown)} of the weights were not in fit.")
    if not np.isfinite(weights.to_numpy(dtype=np.float64)).all():
        raise ValueError("The weights hold NaN or infinite values; pass 0 for no position.")
    held = weights[weights != 0.0]
    betas = first.betas.loc[held.index]
    if betas.isna().to_numpy().any():
        missing = list(betas.index[betas.isna().any(axis=1)])
        raise ValueError(f"The assets {missing} have no betas: too few observations in fit.")
    beta = held.to_numpy() @ betas.to_numpy()
    residuals = first.residuals()[held.index].to_numpy()
    free: float
    if robust is None:
        variance, free = portfolio_beta_covariance(
            residuals, factors.to_numpy(), held.to_numpy(), first.fit_intercept
        )
    else:
        variance, free = beta_covariance(first, residuals, held.to_numpy(), robust)
    if free <= 0:
        needed = factors.shape[1] + first.fit_intercept + 1
        raise ValueError(
            f"Some assets of the portfolio have fewer than {needed} dates in common, so their "
            "residuals' covariance is unknown."
        )
    if (np.diag(variance) < 0.0).any():
        raise ValueError(
            "The residual covariances of the pairs of assets, each over their common dates, do not "
            "make a covariance matrix. Use assets with more dates in common."
        )
    return table_of_betas(beta, np.sqrt(np.diag(variance)), free, factors.columns)
