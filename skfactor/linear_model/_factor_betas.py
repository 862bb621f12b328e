"""FactorBetas: the first pass, a time-series regression for each asset."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skfactor._base import all_or_nothing, single_blas_thread
from skfactor._kernels.cross_moments import complete_rows, masked_cross_moments
from skfactor._kernels.least_squares import LeastSquares, solve_least_squares
from skfactor._panel import Panel, asset_labels, find_panel, only_numbers_rows, time_index
from skfactor._sklearn import CallbackSupportMixin, Interval, StrOptions, fit_context
from skfactor._typing import Float64Array
from skfactor._validation import (
    feature_names,
    like_input,
    raise_if_empty,
    raise_if_missing,
    raise_if_repeated,
    target_names,
    validate_features,
    validate_target,
)
from skfactor.exceptions import RankDeficientWarning

# Below this share of an asset's sum of squares the difference to what is explained loses digits:
# the residuals themselves are squared and summed.
_LITTLE_LEFT = 1e-5


class FactorBetas(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Exposures of assets to factors, by one time-series regression an asset.

    .. math:: R_{it} = \alpha_i + \beta_i' f_t + \varepsilon_{it}

    It fits three forms of the same data: **wide**, X (n_periods, n_factors) and y (n_periods,
    n_assets); **long**, X the factor returns of each row's date and y one return a row, both
    indexed by (date, asset); and **one series**, y (n_periods,). In long form `transform` replaces
    factor returns by the betas of the row's asset, so that
    ``make_pipeline(FactorBetas(), FamaMacBeth())`` is the two-pass regression.

    Parameters
    ----------
    min_periods : int or None, default=None
        Fewest observations of an asset; assets with fewer get NaN. None is the number of
        coefficients, below which there is no estimate anyway.
    fit_intercept : bool, default=True
        Whether to estimate the alphas.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out a missing return, and dates on which a factor is missing.
    date_level : str or int, default="auto"
        Name or position of the date level of a (date, asset) index.

    Attributes
    ----------
    betas_ : DataFrame of shape (n_assets, n_factors)
        Exposures; in the units of returns over those of the factors.
    alphas_ : Series of shape (n_assets,)
        Intercepts, 0 with ``fit_intercept=False``.
    std_errors_ : DataFrame of shape (n_assets, n_factors)
        Standard errors of the betas, for homoskedastic and serially uncorrelated residuals.
    r2_ : Series of shape (n_assets,)
        R squared of each time-series regression (uncentred without an intercept).
    n_periods_ : Series of shape (n_assets,)
        Observations of each asset.
    residuals_ : DataFrame of shape (n_periods, n_assets)
        Residuals, one row a date; NaN where the return is missing. Computed when asked for.
    n_features_in_ : int
        Number of factors.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    References
    ----------
    .. [1] Black, F., M. C. Jensen and M. Scholes (1972), "The Capital Asset Pricing Model: Some
       Empirical Tests", in M. C. Jensen (ed.), Studies in the Theory of Capital Markets, Praeger.

    Examples
    --------
    >>> from skfactor import FactorBetas
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french[["NoDur", "BusEq"]].sub(french["RF"], axis=0)
    >>> FactorBetas().fit(french[["MktRF", "SMB", "HML"]], returns).betas_.round(2)
           MktRF   SMB   HML
    NoDur   0.80 -0.03  0.08
    BusEq   1.15  0.18 -0.54
    """

    __metadata_request__fit: ClassVar = {"dates": True, "assets": True}
    __metadata_request__transform: ClassVar = {"dates": True, "assets": True}
    _parameter_constraints: ClassVar = {
        "min_periods": [Interval(Integral, 1, None, closed="left"), None],
        "fit_intercept": ["boolean"],
        "missing": [StrOptions({"drop", "raise"})],
        "date_level": [str, int],
    }

    def __init__(
        self,
        *,
        min_periods: int | None = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        date_level: str | int = "auto",
    ) -> None:
        self.min_periods = min_periods
        self.fit_intercept = fit_intercept
        self.missing = missing
        self.date_level = date_level

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    @all_or_nothing
    def fit(self, X: Any, y: Any = None, dates: Any = None, assets: Any = None) -> Self:
        """Estimate the exposures of every asset.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_factors)
            Factor returns of the row's date.
        y : array-like of shape (n_rows,) or (n_rows, n_assets)
            Returns of one asset, of the row's asset (long), or of one asset a column (wide).
        dates, assets : array-like of shape (n_rows,), optional
            Date and asset of each row in long form, if they are not in the index of X or y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X varies within a date, dates or assets are unknown or occur twice, a value is
            infinite or text, or no asset has enough observations.

        Warns
        -----
        RankDeficientWarning
            If some assets have too few observations; their betas are NaN.
        """
        values = validate_features(self, X, reset=True)
        target = validate_target(self, X, y)
        raise_if_empty(target)
        if self.missing == "raise":
            raise_if_missing(values, "X")
            raise_if_missing(target, "y")
        names = feature_names(self, X)
        empty = [
            name for name, column in zip(names, values.T, strict=True) if np.isnan(column).all()
        ]
        if empty:
            raise ValueError(f"The factors {empty} have no value at all, only NaN. Drop them.")
        if target.ndim == 2 and target.shape[1] > 1:
            if assets is not None:
                raise ValueError("y has one column an asset, so assets= would name them twice.")
            periods, returns = time_index(X, y, dates), target
            assets_index, factors = target_names(y, returns.shape[1]), values
            raise_if_repeated(assets_index, "y")
            self.has_assets_ = True
        else:
            panel = find_panel(
                X, y, n_rows=len(values), dates=dates, assets=assets, date_level=self.date_level
            )
            self.has_assets_ = panel is not None
            returns = target.reshape(-1, 1)
            if panel is None:
                if assets is not None:
                    raise ValueError("assets= needs dates= too, or a (date, asset) index.")
                # The order of a single series does not matter: any labels of its rows will do.
                periods = X.index if isinstance(X, pd.DataFrame) else None
                factors = values
                name = getattr(y, "name", None) if target.ndim == 1 else target_names(y, 1)[0]
                assets_index = pd.Index(["asset" if name is None else name])
            else:
                factors, returns = _one_row_a_date(values, returns[:, 0], panel, names)
                periods, assets_index = panel.dates.labels, panel.assets.labels  # type: ignore[union-attr]  # just checked
        if periods is None:
            periods = pd.RangeIndex(len(factors))
        self._fit_wide(factors.astype(np.float64), returns, names, assets_index, periods)
        return self

    def _fit_wide(
        self,
        factors: Float64Array,
        returns: Float64Array,
        names: list[Any],
        assets: pd.Index,
        periods: pd.Index,
    ) -> None:
        fewest = max(self.min_periods or 0, factors.shape[1] + self.fit_intercept)
        with single_blas_thread():
            known = np.isfinite(factors).all(axis=1)
            kept = slice(None) if known.all() else known
            fits = _regressions(factors[kept], returns[kept], self.fit_intercept, fewest)
        self._warn_or_raise(fits, assets, fewest, only_numbers_rows(periods))
        betas = fits.coefficients[:, -len(names) :]
        alphas = fits.coefficients[:, 0] if self.fit_intercept else np.zeros(len(betas))
        squares = fits.total - fits.explained
        for i in np.flatnonzero(squares < _LITTLE_LEFT * fits.total):
            squares[i] = np.nansum((returns[:, i] - alphas[i] - factors @ betas[i]) ** 2)
        free = fits.n_rows - factors.shape[1] - self.fit_intercept
        variance = squares / np.where(free > 0, free, np.nan)
        self.betas_ = pd.DataFrame(betas, index=assets, columns=names)
        self.alphas_ = pd.Series(alphas, index=assets, name="alpha")
        errors = np.sqrt(variance[:, None] * fits.slope_variances)
        self.std_errors_ = pd.DataFrame(errors, index=assets, columns=names)
        self.r2_ = pd.Series(fits.r2, index=assets, name="r2")
        self.n_periods_ = pd.Series(fits.n_rows, index=assets, name="n_periods")
        self._returns = pd.DataFrame(returns, index=periods, columns=assets, copy=False)
        self._factors = pd.DataFrame(factors, index=periods, columns=names, copy=False)

    def _warn_or_raise(
        self, fits: LeastSquares, assets: pd.Index, fewest: int, plain_arrays: bool
    ) -> None:
        failed = ~fits.solved
        if not failed.any():
            return
        found = (
            f"{int(fits.thin.sum())} with fewer than {fewest} observations, "
            f"{int(fits.deficient.sum())} with constant or collinear factors over their dates"
        )
        if failed.all() and not plain_arrays:
            remedy = "Pass more dates, fewer factors, or a smaller min_periods."
            if fits.deficient.all():
                remedy = "Drop the factors that are constant or combinations of the others."
            raise ValueError(
                f"The betas of none of the {len(assets)} asset(s) can be estimated: {found}. "
                f"{remedy}"
            )
        warnings.warn(
            f"The betas of {int(failed.sum())} of {len(assets)} assets are NaN: {found} "
            f"(first: {assets[failed][0]}).",
            RankDeficientWarning,
            stacklevel=6,  # the caller of fit
        )

    @property
    def residuals_(self) -> pd.DataFrame:
        """Residuals (n_periods, n_assets), one row a date; NaN where the return is missing."""
        check_is_fitted(self)
        returns, factors = self._returns.to_numpy(), self._factors.to_numpy()
        betas = self.betas_.to_numpy()
        # In the memory order of the returns: operations on mixed orders are several times slower.
        by_asset = returns.flags.f_contiguous
        residuals = (betas @ factors.T).T if by_asset else factors @ betas.T
        residuals += self.alphas_.to_numpy()
        np.subtract(returns, residuals, out=residuals)
        return pd.DataFrame(
            residuals, index=self._returns.index, columns=self._returns.columns, copy=False
        )

    def transform(self, X: Any, dates: Any = None, assets: Any = None) -> Any:
        """Betas of each row's asset, in place of the factor returns.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_factors)
            Rows of a long panel, indexed by (date, asset); the values are not used.
        dates, assets : array-like of shape (n_rows,), optional
            Date and asset of each row, if they are not in the index of X.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_factors)
            Betas; NaN for an asset that `fit` never saw. After a fit to one series without an
            asset, its betas in every row.

        Raises
        ------
        ValueError
            If the assets of the rows are unknown.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        labels = asset_labels(
            X, n_rows=len(values), dates=dates, assets=assets, date_level=self.date_level
        )
        if (labels is not None) != self.has_assets_:
            had, has = ("assets", "none") if self.has_assets_ else ("one series", "assets")
            raise ValueError(
                f"FactorBetas was fitted with {had}, but the rows of X have {has} here. Index X by "
                '(date, asset) or pass assets=; set_output(transform="pandas") keeps indexes '
                "through a pipeline."
            )
        if labels is None:
            place = np.zeros(len(values), dtype=np.intp)
        else:
            place = self.betas_.index.get_indexer(labels.labels)[labels.codes]
        betas = self.betas_.to_numpy()[place].astype(values.dtype, copy=False)
        betas[place < 0] = np.nan
        return like_input(self, X, betas)

    def fit_transform(self, X: Any, y: Any = None, dates: Any = None, assets: Any = None) -> Any:
        """Fit and transform the same rows; see `fit` and `transform` for the parameters."""
        fitted = self.fit(X, y, dates=dates, assets=assets)
        return fitted.transform(X, dates=dates, assets=assets)

    def covariance(self) -> pd.DataFrame:
        """Covariance of returns that the factors imply, B Sigma_f B' + D.

        Sigma_f is the sample covariance of the factors and D the diagonal of the residuals'
        variances, both with divisor T - 1: with complete returns and an intercept the diagonal is
        each asset's sample variance.

        Returns
        -------
        DataFrame of shape (n_assets, n_assets)
            In squared units of the returns, a period.
        """
        check_is_fitted(self)
        betas = self.betas_.to_numpy()
        common = betas @ np.atleast_2d(self._factors.cov().to_numpy()) @ betas.T
        common = (common + common.T) / 2.0  # symmetric to the last digit
        common[np.diag_indices(len(betas))] += self.residuals_.var().to_numpy()
        return pd.DataFrame(common, index=self.betas_.index, columns=self.betas_.index)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _regressions(
    factors: Float64Array, returns: Float64Array, fit_intercept: bool, fewest: int
) -> LeastSquares:
    """Each asset's regression of returns (T, N) on factors (T, K)."""
    common, targets = np.ascontiguousarray(factors.T), returns.T
    return solve_least_squares(
        masked_cross_moments(common, targets),
        lambda i: complete_rows(common, targets[i], None),
        fit_intercept=fit_intercept,
        min_rows=fewest,
        resolution=float(np.finfo(np.float64).eps),
    )


def _one_row_a_date(
    values: Any, returns: Float64Array, panel: Panel, names: list[Any]
) -> tuple[Any, Float64Array]:
    """Factor returns (n_dates, n_factors) and returns (n_dates, n_assets) of a long panel."""
    if panel.assets is None:
        raise ValueError(
            "The rows have dates but no assets. Index X by (date, asset), or pass assets=."
        )
    dates, assets = panel.dates, panel.assets
    first = panel.segments.offsets[:-1]
    factors = values[first if panel.segments.order is None else panel.segments.order[first]]
    repeated = factors[dates.codes]
    same = (values == repeated) | (np.isnan(values) & np.isnan(repeated))
    if not same.all():
        varying = [names[k] for k in np.flatnonzero(~same.all(axis=0))]
        raise ValueError(
            f"The columns {varying} vary within a date, so they are not factor returns repeated "
            "over the assets. Characteristics and known exposures go into FamaMacBeth directly."
        )
    wide = np.full((len(dates), len(assets)), np.nan)
    wide[dates.codes, assets.codes] = returns
    return factors, wide
