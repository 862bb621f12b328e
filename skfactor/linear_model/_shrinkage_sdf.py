"""ShrinkageSDF: a stochastic discount factor of many returns, by shrinkage."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import lars_path_gram
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._calendar import rows_of_dates
from skfactor._fitting import fitting
from skfactor._kernels.rounding import EPSILON, RANK_UNITS
from skfactor._kernels.shrunk_sdf import cross_sectional_r2, flat_wishart, penalties, ridge_path
from skfactor._sklearn import CallbackSupportMixin, Estimator, Interval
from skfactor._typing import Float64Array
from skfactor._validation import feature_names, like_input, numbers, validate_features


@dataclass(frozen=True, eq=False)
class Neutralized:
    """How returns were made free of the market: r_i times a scale, less beta_i times the market."""

    betas: Float64Array  # (N,)
    scales: Float64Array  # (N,)

    @classmethod
    def of(cls, returns: Float64Array, market: Float64Array, names: list[Hashable]) -> Neutralized:
        """From regressions on the market, residuals scaled to its volatility."""
        centred = market - market.mean()
        if not centred @ centred > RANK_UNITS * EPSILON * (market @ market):
            raise ValueError("The returns of the market do not vary.")
        betas = (returns.T @ centred) / (centred @ centred)
        spread = (returns - np.outer(market, betas)).std(axis=0, ddof=1)
        same = spread <= np.sqrt(RANK_UNITS * EPSILON) * returns.std(axis=0, ddof=1)
        if same.any():
            raise ValueError(
                f"The columns {[names[i] for i in np.flatnonzero(same)[:5]]} of X are the market "
                "itself, or constant: nothing of them is left without it. Drop them."
            )
        return cls(betas, market.std(ddof=1) / spread)

    def apply(self, returns: Float64Array, market: Float64Array) -> Float64Array:
        """The same for returns (T, N) of any periods."""
        return (returns - np.outer(market, self.betas)) * self.scales


class ShrinkageSDF(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    r"""Stochastic discount factor of many returns, its prices of risk shrunk.

    .. math:: M_t = 1 - b' (r_t - E r_t), \qquad b = (\Sigma + \lambda I)^{-1} \bar r

    Unshrunk, b is the tangency portfolio, which fits noise in average returns. A prior under which
    large Sharpe ratios come from components of large variance [1]_ makes it a ridge regression of
    average returns on covariances; :math:`\kappa`, the root of the squared Sharpe ratio that is
    expected, says how much is shrunk.

    Parameters
    ----------
    kappa : float, default=0.3
        Root of the expected maximal squared Sharpe ratio per year under the prior. The smaller, the
        more is shrunk: the penalty is :math:`\lambda = P\, tr(\Sigma) / (T \kappa^2)`, with P
        periods per year, so that it adapts to the length of the sample.
    n_nonzero : int or None, default=None
        Most coefficients that are not zero, by a lasso penalty beside. None is all.
    periods_per_year : float, default=12
        Periods per year.
    market : str, Series or None, default=None
        The market: the name of its column in X, or its returns indexed by date. The other returns
        are made neutral to it, and get its volatility, by betas and deviations of the periods of
        `fit`: in cross-validation those of the training folds. None takes the returns as they are.

    Attributes
    ----------
    coef_ : Series of shape (n_assets,)
        Prices of risk b: weights of the SDF portfolio, of returns that are made neutral where there
        is a market.
    std_errors_ : Series of shape (n_assets,)
        Standard deviations of the coefficients under the posterior; NaN with ``n_nonzero``.
    expected_returns_ : Series of shape (n_assets,)
        Those that the SDF gives, covariances with its portfolio.
    sdf_ : Series of shape (n_periods,)
        The stochastic discount factor of the periods of `fit`, with a mean of 1.
    dof_ : float
        Effective number of coefficients, the sum of s / (s + penalty) over the eigenvalues s.
    penalty_ : float
        The penalty lambda.
    r2_ : float
        Cross-sectional R squared of the periods of `fit`.
    market_betas_ : Series of shape (n_assets,) or None
        Betas on the market.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    ShrinkageSDFCV : Choose kappa as the authors do.
    ReturnPCA : Principal components, before which there may be in a pipeline.

    Notes
    -----
    The covariance is shrunk itself: with S the sample covariance, divisor T - 1, and
    a = N / (N + T) it is a tr(S) / N I + (1 - a) S.

    ``GridSearchCV(ShrinkageSDF(), {"kappa": ...})`` takes folds for what they are: penalties from
    the variances of the training periods, and with ``market`` their betas. The authors take both
    from the whole sample, as `ShrinkageSDFCV`: R squared out of sample differ by 0.1 or so at the
    kappas that are chosen, and by more where less is shrunk.

    References
    ----------
    .. [1] Kozak, S., S. Nagel and S. Santosh (2020), "Shrinking the Cross-Section", Journal of
       Financial Economics 135(2), 271-292. https://doi.org/10.1016/j.jfineco.2019.06.008

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV, KFold
    >>> from skfactor import ShrinkageSDF
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = ShrinkageSDF(0.4, market=french["MktRF"]).fit(returns)
    >>> model.coef_.nlargest(2).round(2).to_dict()
    {'S1M5': 1.28, 'S1M3': 1.12}
    >>> search = GridSearchCV(model, {"kappa": [0.05, 0.2, 0.4, 1.0]}, cv=KFold(3)).fit(returns)
    >>> search.best_params_
    {'kappa': 0.4}
    """

    _parameter_constraints: ClassVar = {
        "kappa": [Interval(Real, 0, None, closed="neither")],
        "n_nonzero": [Interval(Integral, 1, None, closed="left"), None],
        "periods_per_year": [Interval(Real, 0, None, closed="neither")],
        "market": [str, pd.Series, pd.DataFrame, None],
    }

    coef_: pd.Series
    n_features_in_: int

    def __init__(
        self,
        kappa: float = 0.3,
        *,
        n_nonzero: int | None = None,
        periods_per_year: float = 12,
        market: str | pd.Series | None = None,
    ) -> None:
        self.kappa = kappa
        self.n_nonzero = n_nonzero
        self.periods_per_year = periods_per_year
        self.market = market

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Estimate the prices of risk.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Excess returns, one column per asset or managed portfolio, in decimals.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If returns are missing, infinite or text, the rows are (date, asset) pairs, the market
            is unknown or misses periods, or an asset is the market.
        """
        returns = self._read_fit(X)
        self._store(X, returns, float(self.kappa), self.n_nonzero)
        return self

    def _read_fit(self, X: ArrayLike) -> Float64Array:
        """Returns (T, N) of the assets, neutral where there is a market."""
        values, market = self._read(X, reset=True)
        if len(values) < 2:
            raise ValueError(f"X has n_samples={len(values)} period; at least 2 are needed.")
        self._neutral = None
        if market is not None:
            self._neutral = Neutralized.of(values, market, self._assets)
            values = self._neutral.apply(values, market)
        mean = values.mean(axis=0)
        if not mean @ mean > 0.0:
            raise ValueError("The average returns in X are all zero: there is nothing to price.")
        return values

    def _read(self, X: ArrayLike, *, reset: bool) -> tuple[Float64Array, Float64Array | None]:
        """Returns (T, N) of the assets as numbers, and those of the market."""
        if isinstance(X, pd.DataFrame) and X.index.nlevels > 1:
            raise ValueError(
                f"X is indexed by {list(X.index.names)}, one return per row; {type(self).__name__} "
                "needs one row per period and one column per asset: pass returns.unstack() of a "
                "Series of returns."
            )
        values = validate_features(self, X, reset=reset).astype(np.float64)
        if np.isnan(values).any():
            raise ValueError(
                f"X contains NaN in {int(np.isnan(values).any(axis=0).sum())} columns. Drop assets "
                "or periods, or make factors of them first: ReturnPCA(missing='em')."
            )
        names = feature_names(self, X)
        market = None
        if isinstance(self.market, str):
            if self.market not in names or len(names) < 2:
                raise ValueError(
                    f"market={self.market!r} is not the name of one of several columns of X: "
                    f"{names[:10]}. Name one, or pass its returns as a Series indexed by date."
                )
            place = names.index(self.market)
            market, values = values[:, place], np.delete(values, place, axis=1)
            names = [*names[:place], *names[place + 1 :]]
        elif self.market is not None:
            market = self._look_up(X)
        if reset:
            self._assets = names
        return values, market

    def _look_up(self, X: ArrayLike) -> Float64Array:
        """Returns of the market in the periods of X."""
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                "market= is looked up by date, and X has none. Pass a DataFrame indexed by date."
            )
        market: Any = self.market
        if isinstance(market, pd.DataFrame):
            if market.shape[1] != 1:
                raise ValueError(f"market has {market.shape[1]} columns; pass one of them.")
            market = market.iloc[:, 0]
        places = rows_of_dates(market.index, X.index, ("market", "X"))
        found: Float64Array = numbers(market, "market")[places]
        if np.isnan(found).any():
            raise ValueError(f"market misses {int(np.isnan(found).sum())} of the periods of X.")
        return found

    def _store(
        self, X: ArrayLike, returns: Float64Array, kappa: float, n_nonzero: int | None
    ) -> None:
        """Store the SDF of these returns."""
        t = len(returns)
        mean, covariance = returns.mean(axis=0), flat_wishart(returns)
        penalty = penalties(np.array([kappa]), covariance, t, float(self.periods_per_year))
        coefficients, errors, freedom = ridge_path(covariance, mean, penalty, t)
        b, e = coefficients[:, 0], errors[:, 0]
        if n_nonzero is not None:
            b, e = sparse_coefficients(covariance, mean, float(penalty[0]), n_nonzero), e * np.nan
        assets = pd.Index(self._assets, tupleize_cols=False)
        self._mean, self._covariance, self._n_periods = mean, covariance, t
        self._n_kept = n_nonzero
        self.penalty_, self.dof_ = float(penalty[0]), float(freedom[0])
        self.coef_ = pd.Series(b, assets, name="coefficient")
        self.std_errors_ = pd.Series(e, assets, name="std_error")
        self.expected_returns_ = pd.Series(covariance @ b, assets, name="expected_return")
        self.r2_ = float(cross_sectional_r2(covariance, mean, b[:, None])[0])
        dates = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(t)
        self.sdf_ = pd.Series(1.0 - (returns - mean) @ b, dates, name="sdf")
        self.market_betas_ = None
        if self._neutral is not None:
            self.market_betas_ = pd.Series(self._neutral.betas, assets, name="beta")

    def coef_path(self, kappas: ArrayLike) -> pd.DataFrame:
        """Coefficients for many kappas, of the returns of `fit`.

        Parameters
        ----------
        kappas : array-like of shape (n_kappas,)
            Roots of expected squared Sharpe ratios.

        Returns
        -------
        DataFrame of shape (n_assets, n_kappas)
            With ``n_nonzero`` no column has more that are not zero.

        Raises
        ------
        ValueError
            If a kappa is not positive.
        """
        check_is_fitted(self)
        values = check_kappas(kappas)
        penalty = penalties(values, self._covariance, self._n_periods, float(self.periods_per_year))
        path, _, _ = ridge_path(self._covariance, self._mean, penalty, self._n_periods)
        if self._n_kept is not None:
            columns = [
                sparse_coefficients(self._covariance, self._mean, float(each), self._n_kept)
                for each in penalty
            ]
            path = np.column_stack(columns)
        return pd.DataFrame(path, self.coef_.index, pd.Index(values, name="kappa"))

    def _neutral_returns(self, X: ArrayLike) -> Float64Array:
        check_is_fitted(self)
        values, market = self._read(X, reset=False)
        if self._neutral is not None:
            assert market is not None
            values = self._neutral.apply(values, market)
        return values

    @property
    def _n_features_out(self) -> int:
        return self.sdf_.ndim  # one portfolio, and none before fit

    def transform(self, X: ArrayLike) -> Any:
        """Returns of the SDF portfolio, b'r.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Returns of any periods; they are made neutral to the market as those of `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_periods, 1)
        """
        portfolio = self._neutral_returns(X) @ self.coef_.to_numpy()
        dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
        names = list(self.get_feature_names_out())
        return like_input(self, X, portfolio[:, None].astype(dtype), names)

    def score(self, X: ArrayLike, y: ArrayLike | None = None) -> float:
        """Cross-sectional R squared of average returns by covariances with the SDF portfolio.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Returns, preferably of other periods than those of `fit`.
        y : None
            Ignored.

        Returns
        -------
        float
            ``1 - |m - S b|^2 / |m|^2``, with mean m and shrunk covariance S of X: not centred.
        """
        values = self._neutral_returns(X)
        if len(values) < 2:
            return float("nan")
        mean, covariance = values.mean(axis=0), flat_wishart(values)
        return float(cross_sectional_r2(covariance, mean, self.coef_.to_numpy()[:, None])[0])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def check_kappas(kappas: ArrayLike) -> Float64Array:
    """Kappas (P,) as numbers; ``ValueError`` if one is not positive."""
    values = np.atleast_1d(numbers(kappas, "kappas"))
    if values.ndim != 1 or not len(values) or not (values > 0.0).all():
        raise ValueError(f"kappas has to hold numbers above zero, such as 0.3; found {kappas!r}.")
    return values


def sparse_coefficients(
    covariance: Float64Array, mean: Float64Array, penalty: float, n_nonzero: int
) -> Float64Array:
    """Coefficients (N,) at the last point of the lasso path with so many that are not zero."""
    return sparse_path(covariance, mean, penalty, [n_nonzero])[:, 0]


def sparse_path(
    covariance: Float64Array, mean: Float64Array, penalty: float, n_nonzero: Sequence[int]
) -> Float64Array:
    """Coefficients (N, P) for each number of them that are not zero.

    Of the elastic net that regresses S^-1/2 m on S^1/2: its Gram matrix with the ridge is S + l I.
    """
    n = len(mean)
    _, _, path = lars_path_gram(
        Xy=mean.copy(), Gram=covariance + penalty * np.eye(n), n_samples=1, method="lasso"
    )
    counts = np.count_nonzero(path, axis=0)
    chosen = [int(np.flatnonzero(counts <= number)[-1]) for number in n_nonzero]
    return np.asarray(path[:, chosen], dtype=np.float64)
