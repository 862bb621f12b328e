"""ShrinkageSDFCV: how much to shrink, by the authors' cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skfactor._fitting import fitting
from skfactor._kernels.shrunk_sdf import (
    contiguous_folds,
    cross_sectional_r2,
    flat_wishart,
    penalties,
    ridge_path,
)
from skfactor._sklearn import Interval
from skfactor._typing import Float64Array
from skfactor._validation import is_whole
from skfactor.linear_model._shrinkage_sdf import ShrinkageSDF, check_kappas, sparse_path


class ShrinkageSDFCV(ShrinkageSDF):
    """A stochastic discount factor whose shrinkage is chosen by its authors' cross-validation.

    Folds are consecutive periods. The penalties are those of the whole sample over 1 - 1/k in each
    of the k folds, since fewer periods are trained on. Returns are made neutral to the market with
    the betas and deviations of the whole sample. So the folds see a little of what is held out.
    ``GridSearchCV`` over the kappa of `ShrinkageSDF` does not, and its numbers are different.

    Parameters
    ----------
    kappas : int or array-like, default=20
        Roots of expected squared Sharpe ratios per year, to try; a number of them between 0.01 and
        1.6 on a logarithmic scale.
    n_nonzero : int, sequence of int or None, default=None
        Numbers of coefficients that are not zero, to try with each kappa. None is all.
    n_folds : int, default=3
        Number of folds.
    periods_per_year : float, default=12
        Periods per year.
    market : str, Series or None, default=None
        The market, see `ShrinkageSDF`.

    Attributes
    ----------
    kappa_ : float
        The kappa with the largest R squared out of sample.
    n_nonzero_ : int or None
        The number of coefficients that goes with it.
    cv_results_ : DataFrame
        For each ``kappa`` and ``n_nonzero``: the ``penalty``, R squared in and out of sample,
        ``r2_in`` and ``r2_out``, averaged over the folds, and the standard ``error`` of the latter.
    coef_, std_errors_, expected_returns_, sdf_, dof_, penalty_, r2_, market_betas_
        Of the SDF with these, fitted to all periods; see `ShrinkageSDF`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    ShrinkageSDF : One kappa.

    References
    ----------
    .. [1] Kozak, S., S. Nagel and S. Santosh (2020), "Shrinking the Cross-Section", Journal of
       Financial Economics 135(2), 271-292. https://doi.org/10.1016/j.jfineco.2019.06.008

    Examples
    --------
    >>> from skfactor import ShrinkageSDFCV
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = ShrinkageSDFCV(market=french["MktRF"]).fit(returns)
    >>> round(model.kappa_, 2)
    0.42
    >>> round(float(model.cv_results_["r2_out"].max()), 2)
    0.46
    """

    _parameter_constraints: ClassVar = {
        "kappas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "n_nonzero": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "periods_per_year": [Interval(Real, 0, None, closed="neither")],
        "market": [str, pd.Series, pd.DataFrame, None],
    }

    n_nonzero_: int | None

    def __init__(
        self,
        kappas: int | ArrayLike = 20,
        *,
        n_nonzero: int | Sequence[int] | None = None,
        n_folds: int = 3,
        periods_per_year: float = 12,
        market: str | pd.Series | None = None,
    ) -> None:
        self.kappas = kappas
        self.n_nonzero = n_nonzero  # type: ignore[assignment]  # several to try
        self.n_folds = n_folds
        self.periods_per_year = periods_per_year
        self.market = market

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Choose kappa by cross-validation, and estimate the prices of risk with it.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Excess returns, one column per asset or managed portfolio, in decimals, by ascending
            date.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a fold has fewer than two periods, or as in `ShrinkageSDF.fit`.
        """
        returns = self._read_fit(X)
        t, n = returns.shape
        kappas: Any = self.kappas
        kappas = check_kappas(np.geomspace(0.01, 10**0.2, kappas) if is_whole(kappas) else kappas)
        numbers = self._numbers(n)
        if t // self.n_folds < 2:
            raise ValueError(
                f"n_folds={self.n_folds} needs two periods a fold; X has n_samples={t}. Pass fewer."
            )
        penalty = penalties(kappas, flat_wishart(returns), t, float(self.periods_per_year))
        folds = [
            self._fold(returns, held, penalty, numbers)
            for held in contiguous_folds(t, self.n_folds)
        ]
        inside, outside = (np.array(each) for each in zip(*folds, strict=True))
        results = pd.DataFrame(
            {
                "kappa": np.repeat(kappas, len(numbers)),
                "n_nonzero": np.tile(numbers, len(kappas)),
                "penalty": np.repeat(penalty, len(numbers)),
                "r2_in": inside.mean(axis=0),
                "r2_out": outside.mean(axis=0),
                "error": outside.std(axis=0) / np.sqrt(self.n_folds),
            }
        )
        best = int(np.argmax(results["r2_out"].to_numpy()))
        self.cv_results_ = results
        self.kappa_ = float(results["kappa"].to_numpy()[best])
        self.n_nonzero_ = None
        if self.n_nonzero is not None:
            self.n_nonzero_ = int(results["n_nonzero"].to_numpy()[best])
        self._store(X, returns, self.kappa_, self.n_nonzero_)
        return self

    def _numbers(self, n_assets: int) -> list[int]:
        """Numbers of coefficients to try."""
        if self.n_nonzero is None:
            return [n_assets]
        numbers = list(np.atleast_1d(self.n_nonzero))
        if not numbers or not all(is_whole(each) and each >= 1 for each in numbers):
            raise ValueError(f"n_nonzero={self.n_nonzero!r} has to hold whole numbers, 1 or more.")
        return [int(each) for each in numbers]

    def _fold(
        self, returns: Float64Array, held: slice, penalty: Float64Array, numbers: list[int]
    ) -> tuple[Float64Array, Float64Array]:
        """R squared in and out of a fold for each penalty and number."""
        mask = np.ones(len(returns), dtype=bool)
        mask[held] = False
        train, test = returns[mask], returns[held]
        mean, covariance = train.mean(axis=0), flat_wishart(train)
        raised = penalty / (1.0 - 1.0 / self.n_folds)
        if self.n_nonzero is None:
            coefficients, _, _ = ridge_path(covariance, mean, raised, len(train))
        else:
            paths = [sparse_path(covariance, mean, float(each), numbers) for each in raised]
            coefficients = np.hstack(paths)
        return (
            cross_sectional_r2(covariance, mean, coefficients),
            cross_sectional_r2(flat_wishart(test), test.mean(axis=0), coefficients),
        )
