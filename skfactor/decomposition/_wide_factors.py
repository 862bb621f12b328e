"""What ReturnPCA and RiskPremiumPCA share: latent factors of wide returns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import is_dated
from skfactor._fitting import fitting
from skfactor._kernels.principal import (
    column_means,
    column_variances,
    fill_by_complete_columns,
    fill_by_iteration,
    leading_directions,
    pairwise_moments,
    regress_observed,
    scores,
)
from skfactor._kernels.rounding import EPSILON, RANK_UNITS
from skfactor._risk_model import RiskModel
from skfactor._sklearn import CallbackSupportMixin, Estimator, Interval, StrOptions
from skfactor._typing import Float64Array
from skfactor._validation import feature_names, like_input, numbers, validate_features
from skfactor._warn import warn_user
from skfactor.decomposition._n_factors import METHODS, eigenvalues_beyond, find_number
from skfactor.exceptions import RankDeficientWarning

# Of the parameters that both have.
WIDE_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [
        Interval(Integral, 1, None, closed="left"),
        StrOptions({*METHODS, *map(str.upper, METHODS)}),
    ],
    "scale": ["boolean"],
    "missing": [StrOptions({"raise", "pairwise", "em", "project"})],
}
# Rounds in which missing cells are filled, and the change of them that ends the rounds.
_MOST_ROUNDS, _SMALLEST_CHANGE = 2000, "1e-10"
# Factors that a rule may choose; fewer where there are few assets or periods.
_MOST_FACTORS = 8


class WideFactors(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    """Eigenvectors of X'X / T + gamma m m', m the means of the returns X."""

    # What messages call the returns, where they are an argument of another name elsewhere.
    _returns_name: ClassVar = "X"

    n_components: int | str
    scale: bool
    missing: str
    n_features_in_: int

    @property
    @abstractmethod
    def _weight_of_means(self) -> float:
        """The number gamma; -1 takes the means out."""

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Estimate loadings, and the factors of the same returns.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Returns, one column per asset, in decimals.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is a panel with one return per row, values are infinite or text, or missing with
            ``missing="raise"``, an asset has no return, or ``n_components`` is too large.

        Warns
        -----
        UserWarning
            If some pairs of assets have no period in common, with ``missing="pairwise"``.
        RankDeficientWarning
            If there are fewer factors than ``n_components``; all are taken.
        ConvergenceWarning
            If missing cells still change, with ``missing="em"``.
        """
        x = self._returns(X, reset=True)
        names = feature_names(self, X)
        empty = np.isnan(x).all(axis=0)
        if empty.any():
            raise ValueError(
                f"The columns {[names[i] for i in np.flatnonzero(empty)[:5]]} of "
                f"{self._returns_name} have no return at all. Drop them."
            )
        n = self._number(x)
        center = self._weight_of_means == -1.0
        stretch = float(np.sqrt(1.0 + self._weight_of_means)) - 1.0
        deviations = self._deviations(x, names)
        means = column_means(x)
        scaled = x / deviations if self.scale else x
        values, vectors = self._directions(scaled, n, stretch, center)
        if not values[n - 1] > RANK_UNITS * EPSILON * max(values[0], 0.0):
            raise ValueError(
                f"n_components={n} are more factors than the returns have: the eigenvalue number "
                f"{n} is zero. Pass fewer."
            )
        self.n_components_ = n
        self.eigenvalues_ = values / x.shape[1]
        loadings = np.sqrt(x.shape[1]) * vectors * deviations[:, None]
        weights = np.linalg.solve(loadings.T @ loadings, loadings.T).T
        # What a centred model says of an asset whose factors are zero.
        alphas = means - loadings @ (weights.T @ means) if center else np.zeros(len(means))
        factors = scores(x - alphas if center else x, loadings)
        signs = _signs(factors, loadings)
        self._describe(x, factors * signs)
        dates = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(x))
        assets, columns = pd.Index(names, tupleize_cols=False), self.get_feature_names_out()
        self.components_ = np.ascontiguousarray((vectors * signs).T)
        self.loadings_ = pd.DataFrame(loadings * signs, assets, columns)
        self.weights_ = pd.DataFrame(weights * signs, assets, columns)
        self.alphas_ = pd.Series(alphas, assets, name="alpha")
        self.factors_ = pd.DataFrame(factors * signs, dates, columns)
        self.premia_ = self.factors_.mean().rename("premium")
        self._fitted_returns = pd.DataFrame(x, dates, assets)
        return self

    def _returns(self, X: ArrayLike, *, reset: bool) -> Float64Array:
        """Returns (T, N) as numbers, missing ones only where they may be."""
        if isinstance(X, pd.DataFrame) and X.index.nlevels > 1:
            raise ValueError(
                f"X is indexed by {list(X.index.names)}, one return per row; {type(self).__name__} "
                "needs one row per period and one column per asset: pass returns.unstack() of a "
                "Series of returns. InstrumentedPCA takes panels with characteristics."
            )
        values = validate_features(self, X, reset=reset).astype(np.float64)
        if reset and len(values) < 2:
            raise ValueError(f"X has n_samples={len(values)} period; at least 2 are needed.")
        if isinstance(X, pd.DataFrame) and is_dated(X.index) and not X.index.is_unique:
            raise ValueError(
                f"The date {X.index[X.index.duplicated()][0]} occurs more than once. "
                f"{type(self).__name__} needs one row per period."
            )
        missing = np.isnan(values)
        if self.missing == "raise" and missing.any():
            raise ValueError(
                f"{self._returns_name} contains NaN in {int(missing.sum())} cells of "
                f"{int(missing.any(axis=0).sum())} columns. missing='pairwise' uses what each pair "
                "of assets has in common, 'em' and 'project' fill them by the factors; or drop "
                f"assets, as {self._returns_name}.dropna(axis=1) does."
            )
        return values

    def _number(self, x: Float64Array) -> int:
        """Number of factors of returns (T, N), by the rule if it is named."""
        if isinstance(self.n_components, str):
            complete = x[:, np.isfinite(x).all(axis=0)]
            rule = self.n_components.lower()
            beyond = eigenvalues_beyond(rule)
            most = min(_MOST_FACTORS, min(complete.shape[0] - 1, complete.shape[1]) - beyond)
            if most < 1:
                raise ValueError(
                    f"n_components={self.n_components!r} needs more than {beyond + 1} periods and "
                    f"{beyond} assets without missing returns; found {complete.shape}. Pass a "
                    "number."
                )
            chosen = find_number(complete, [rule], most, True, self.scale, 0)
            found = chosen.selected[rule]
            if found == 1 < most and chosen.notes:
                warn_user(f"n_components={self.n_components!r} finds 1 factor. {chosen.notes[-1]}")
            if found == 0:
                raise ValueError(
                    f"n_components={self.n_components!r} finds no factor in {self._returns_name}. "
                    "Pass a number."
                )
            return int(found)
        # Means that are taken out leave one period less.
        most = min(len(x) - (self._weight_of_means == -1.0), x.shape[1])
        if self.n_components > most:
            warn_user(
                f"n_components={self.n_components} is more than {len(x)} periods and {x.shape[1]} "
                f"assets can have; all {most} factors are taken.",
                RankDeficientWarning,
            )
        return int(min(self.n_components, most))

    def _deviations(self, x: Float64Array, names: Sequence[Hashable]) -> Float64Array:
        """Standard deviations (N,), or ones."""
        if not self.scale:
            return np.ones(x.shape[1])
        deviations: Float64Array = np.nanstd(x, axis=0)
        constant = deviations <= RANK_UNITS * EPSILON * np.nanmax(np.abs(x), axis=0)
        if constant.any():
            raise ValueError(
                f"The columns {[names[i] for i in np.flatnonzero(constant)[:5]]} of X are "
                "constant, so that they cannot be scaled. Drop them, or pass scale=False."
            )
        return deviations

    def _directions(
        self, x: Float64Array, n: int, stretch: float, center: bool
    ) -> tuple[Float64Array, Float64Array]:
        """Eigenvalues, divided by the periods, and vectors (N, n) of the moments."""
        if np.isnan(x).any():
            if self.missing == "pairwise":
                moments, without = pairwise_moments(x + stretch * column_means(x))
                if without:
                    warn_user(
                        f"{without} pairs of assets have no period in common; their second moment "
                        "is taken as 0. missing='em' needs no pairs."
                    )
                values, vectors = np.linalg.eigh(moments)
                return values[::-1], vectors[:, ::-1][:, :n]
            x = self._fill(x, n, stretch, center)
        values, vectors = leading_directions(x + stretch * x.mean(axis=0), n)
        return values / len(x), vectors

    def _fill(self, x: Float64Array, n: int, stretch: float, center: bool) -> Float64Array:
        if self.missing == "project":
            n_complete = int(np.isfinite(x).all(axis=0).sum())
            if n_complete < n:
                raise ValueError(
                    f"missing='project' takes the factors from complete columns, of which "
                    f"{self._returns_name} has {n_complete} and n_components={n} needs as many. "
                    "Use 'pairwise' or 'em'."
                )
            filled = fill_by_complete_columns(x, n, stretch=stretch, center=center)
            short = int(np.isnan(filled).any(axis=0).sum())
            if short:
                raise ValueError(
                    f"{short} columns of {self._returns_name} have too few returns for their "
                    f"regression on {n} factors. Drop them, or use missing='pairwise'."
                )
            return filled
        tol = float(_SMALLEST_CHANGE)
        filled, change = fill_by_iteration(
            x, n, stretch=stretch, center=center, max_iter=_MOST_ROUNDS, tol=tol
        )
        if not change < tol:
            warn_user(
                f"Missing cells still change by {change:.1e} of all values' size after "
                f"{_MOST_ROUNDS} rounds. Use fewer components, or missing='pairwise'.",
                ConvergenceWarning,
            )
        return filled

    def _describe(self, x: Float64Array, factors: Float64Array) -> None:
        """Store what the factors earn and explain, by time-series regressions on them."""
        known = factors[np.isfinite(factors).all(axis=1)]
        mean, covariance = known.mean(axis=0), np.atleast_2d(np.cov(known.T, ddof=0))
        coefficients = regress_observed(x, np.column_stack([np.ones(len(x)), factors]))
        regular = np.isfinite(coefficients[0])  # assets with enough returns for it
        residuals = x - coefficients[0] - factors @ coefficients[1:]
        if not regular.all():
            residuals = residuals[:, regular]
        with np.errstate(invalid="ignore"):
            unexplained = np.nanmean(column_variances(residuals)) if len(known) > 1 else np.nan
            self.max_sharpe_ = float(np.sqrt(mean @ np.linalg.pinv(covariance) @ mean))
            self.rms_alpha_ = float(np.sqrt(np.nanmean(coefficients[0] ** 2)))
            self.unexplained_variance_ratio_ = float(unexplained / column_variances(x).mean())

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def transform(self, X: ArrayLike) -> Any:
        """Returns of the factors, whose portfolios are those of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Returns of any periods, of the assets of `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_periods, n_components)
            ``X @ weights_``; where returns are missing, the slopes of those that are there on
            their loadings, NaN if they are too few.

        Raises
        ------
        ValueError
            If the assets are not those of `fit`, or returns are missing with ``missing="raise"``.
        """
        check_is_fitted(self)
        values = self._returns(X, reset=False)
        factors = scores(values - self.alphas_.to_numpy(), self.loadings_.to_numpy())
        dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
        return like_input(self, X, factors.astype(dtype), list(self.get_feature_names_out()))

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Returns of the assets that returns of the factors explain.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_components)
            Returns of the factors, as `transform` gives them.

        Returns
        -------
        ndarray or DataFrame of shape (n_periods, n_assets)
            ``alphas_ + X @ loadings_.T``.
        """
        check_is_fitted(self)
        factors = numbers(X, "X")
        if factors.ndim != 2 or factors.shape[1] != self.n_components_:
            raise ValueError(
                f"X has shape {factors.shape}; it needs one column for each of the "
                f"{self.n_components_} factors."
            )
        returns = self.alphas_.to_numpy() + factors @ self.loadings_.to_numpy().T
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(returns, X.index, self.loadings_.index)
        return returns

    def score(self, X: ArrayLike, y: ArrayLike | None = None) -> float:
        """Minus the root mean square of the assets' average residuals.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_assets)
            Returns, preferably of other periods than those of `fit`.
        y : None
            Ignored.

        Returns
        -------
        float
            In the units of the returns; the larger (nearer to zero), the better the loadings and
            the factors' returns explain average returns.
        """
        check_is_fitted(self)
        values = self._returns(X, reset=False)
        loadings = self.loadings_.to_numpy()
        factors = scores(values - self.alphas_.to_numpy(), loadings)
        residuals = values - factors @ loadings.T
        return -float(np.sqrt(np.nanmean(np.nanmean(residuals, axis=0) ** 2)))

    def risk_model(self) -> RiskModel:
        """Loadings, covariance of the factors and variances of residuals, for portfolios.

        Returns
        -------
        RiskModel
            With the returns of the factors, the residuals, and the last date of `fit`; moments
            have the divisor T - 1.
        """
        check_is_fitted(self)
        columns = self.loadings_.columns
        explained = self.factors_.to_numpy() @ self.loadings_.to_numpy().T
        residuals = self._fitted_returns - explained
        return RiskModel(
            exposures=self.loadings_,
            factor_covariance=pd.DataFrame(self.factors_.cov().to_numpy(), columns, columns),
            specific_variance=residuals.var(),
            factor_returns=self.factors_,
            specific_returns=residuals,
            date=self.factors_.index[-1:][
                0
            ],  # a slice, as asked for one date pandas keeps its unit
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "raise"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _signs(factors: Float64Array, loadings: Float64Array) -> Float64Array:
    """Signs (K,) that make the factors' means positive; of means of zero, the largest loading."""
    mean, size = np.nanmean(factors, axis=0), np.sqrt(np.nanmean(factors**2, axis=0))
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    zero = np.abs(mean) <= np.sqrt(len(factors)) * RANK_UNITS * EPSILON * size
    return np.where(np.where(zero, largest, mean) < 0.0, -1.0, 1.0)
