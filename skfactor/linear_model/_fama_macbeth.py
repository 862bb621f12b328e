"""FamaMacBeth: premia of exposures, one cross-sectional regression per date."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fit_task, fitting
from skfactor._kernels.least_squares import segment_slope_weights
from skfactor._kernels.segments import one_segment
from skfactor._panel import find_panel
from skfactor._passes.cross_sections import raise_if_too_few
from skfactor._passes.panel_rows import PanelRows
from skfactor._passes.second_pass import second_pass
from skfactor._passes.slopes import Slopes
from skfactor._passes.time_series import WideData
from skfactor._passes.two_pass import TwoPassFit
from skfactor._sklearn import StrOptions
from skfactor._typing import RowLabels
from skfactor._validation import (
    check_row_weights,
    has_values,
    raise_if_empty,
    validate_features,
)
from skfactor.inference._diagnostics import Diagnostics, diagnose
from skfactor.linear_model._panel_fit import PanelRegression
from skfactor.linear_model._two_pass_model import TWO_PASS_CONSTRAINTS, TwoPassModel


class FamaMacBeth(TwoPassModel, PanelRegression):
    """Risk premia by the regressions of Fama and MacBeth (1973).

    On each date the returns of the assets are regressed on their exposures; the premia are the
    averages of these slopes over time. The shape of `y` decides the form of the data:

    - **panel**, y (n_rows,): X holds the exposures or characteristics of the row's asset on the
      row's date, the dates are in the index of X, of y, or in ``dates=``;
    - **wide**, y (n_periods, n_assets): X holds the factor returns of each period, and the
      exposures are estimated by a first pass of time-series regressions.

    `partial_fit` takes a panel in several calls, some dates in each.

    Parameters
    ----------
    betas : estimator or None, default=None
        First pass of the wide form; None is `FactorBetas()`. With ``FactorBetas(window=60)`` the
        regression of date t uses the betas known ``lag`` dates before, and the dates without any
        have NaN slopes and no part in the premia.
    fit_intercept : bool, default=True
        Whether to estimate the zero-beta rate, the column ``"const"``.
    weighting : {"ols", "wls", "gls"}, default="ols"
        Weights of the assets in the wide form's second pass: equal, by the inverse of their
        first-pass residual variances, or by the inverse of the residuals' covariance, which needs
        complete returns and more than N + K + 2 periods. A panel takes ``sample_weight`` instead.
    premia_window : int or None, default=None
        Number of last dates over which slopes are averaged. None is all dates.
    premia_halflife : float or None, default=None
        Half-life, in dates, of exponential weights of the slopes. None is equal weights.
    min_assets : int or None, default=None
        Fewest assets on a date; thinner dates get NaN. None is the number of coefficients.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out rows (panel) or returns (wide) that are missing.
    rank_deficient : {"nan", "drop", "raise"}, default="nan"
        What to do about dates that are too thin or have collinear exposures: NaN slopes and one
        warning that counts them, or an error. ``"drop"``, for panels, leaves out of a date's
        regression the columns that are constant there or a combination of columns before them in
        X, as Stata does: their slopes are NaN on the date, the others are kept, and a warning
        counts them by column. Each premium is then the average over the dates of its own column.
        Dates that are too thin for all columns, or have none left, are NaN nevertheless.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    lambdas_ : DataFrame of shape (n_dates, n_premia)
        Slopes of each date, in the units of the returns; ``"const"`` first. Dates that could not
        be estimated are NaN, and so are the columns that a date drops.
    premia_ : Series of shape (n_premia,)
        Their average.
    coef_ : ndarray of shape (n_features,)
        Premia of the exposures.
    intercept_ : float
        The zero-beta rate, 0 with ``fit_intercept=False``.
    cross_sections_ : DataFrame
        For each date ``n_assets``, ``r2``, ``adj_r2`` and the ``condition_number`` of the
        standardized exposures.
    dates_ : Index of shape (n_dates,)
        All dates of the fit, ascending.
    betas_ : DataFrame of shape (n_assets, n_factors)
        Wide form: the estimated exposures; of rolling ones the last.
    first_pass_ : estimator
        Wide form: the fitted first pass.
    pricing_errors_ : Series of shape (n_assets,)
        Wide form: each asset's average return over its own dates minus its expected return. With
        rolling betas the expected return of a date is from the betas known by then, and the
        average is over the dates that have both.
    expected_returns_ : Series of shape (n_assets,)
        Wide form: zero-beta rate plus ``betas_`` times premia.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    FactorBetas : The first pass; before FamaMacBeth in a pipeline for long data.

    References
    ----------
    .. [1] Fama, E. F. and J. D. MacBeth (1973), "Risk, Return, and Equilibrium: Empirical Tests",
       Journal of Political Economy 81(3), 607-636. https://doi.org/10.1086/260061

    Examples
    --------
    Two passes on wide data, portfolios on factors:

    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135][VM]").sub(french["RF"], axis=0)
    >>> model = FamaMacBeth().fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> model.premia_.round(4)
    const    0.0076
    MktRF   -0.0005
    SMB      0.0008
    HML      0.0040
    Mom      0.0079
    Name: premium, dtype: float64

    A panel of characteristics, preprocessed date by date:

    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorZScorer, Winsorizer
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> pipeline = make_pipeline(Winsorizer(), FactorZScorer(), FamaMacBeth()).fit(X, y)
    >>> pipeline.predict(X).shape == y.shape
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    __metadata_request__partial_fit: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        **TWO_PASS_CONSTRAINTS,
        "rank_deficient": [StrOptions({"nan", "drop", "raise"})],
    }

    def __init__(
        self,
        *,
        betas: BaseEstimator | None = None,
        fit_intercept: bool = True,
        weighting: str = "ols",
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        missing: str = "drop",
        rank_deficient: str = "nan",
        date_level: str | int | None = "auto",
    ) -> None:
        self.betas = betas
        self.fit_intercept = fit_intercept
        self.weighting = weighting
        self.premia_window = premia_window
        self.premia_halflife = premia_halflife
        self.min_assets = min_assets
        self.missing = missing
        self.rank_deficient = rank_deficient
        self.date_level = date_level

    @fitting(one_task=False, holds_estimators=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Estimate the premia.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures of each row (panel) or factor returns of each period (wide).
        y : array-like of shape (n_rows,) or (n_periods, n_assets)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Panel form: weight of each row in its date's regression, such as the square root of
            the market capitalization.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If date and asset do not identify the rows, a value is infinite or text, columns
            are constant, or no date can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some dates could not be estimated; their slopes are NaN.
        NoDatesWarning
            If there are no dates anywhere, so that all rows make one cross-section.
        """
        values, target = self._validate(X, y, reset=True)
        raise_if_empty(target)
        if target.ndim == 2 and target.shape[1] > 1:
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight weighs the rows of a panel; with one column per asset in y each "
                    "row is a period. Leave it out."
                )
            with fit_task(self, X, y, len(target), "date") as done:
                factors = values.astype(np.float64)
                self._fit_wide(
                    WideData.read(X, y, factors, target, self._names, dates, self.date_level)
                )
                done(len(target))
        else:
            self._fit_panel(values, target, X, y, {"sample_weight": sample_weight}, dates)
        return self

    def _panel_rows(self, *args: Any) -> PanelRows:
        if self.betas is not None:
            raise ValueError(
                "betas= is the first pass of the wide form, y with one column per asset; here y "
                "has one column. Put FactorBetas() before FamaMacBeth in a pipeline instead."
            )
        if self.weighting != "ols":
            raise ValueError(
                f"weighting={self.weighting!r} weighs assets by their residuals of the first pass, "
                "which a panel does not have. Pass sample_weight instead."
            )
        return super()._panel_rows(*args)

    def _fit_wide(self, data: WideData) -> None:
        if self.rank_deficient == "drop":
            raise ValueError(
                "rank_deficient='drop' leaves columns out of single dates of a panel. With one "
                "column per asset in y all dates have the same betas: drop the factor from X, or "
                "use rank_deficient='nan'."
            )
        if np.count_nonzero(has_values(data.returns.to_numpy())) < 2:
            raise ValueError(
                "Fewer than 2 columns of y hold any return: a cross-section needs several assets."
            )
        raise_if_too_few(len(self._names), *data.returns.shape, self._fewest_assets())
        self.first_pass_, first = self._first_pass(data.factors, data.returns)
        second = second_pass(
            first,
            data.factors,
            data.returns,
            weighting=self.weighting,
            fit_intercept=self.fit_intercept,
            min_assets=self._fewest_assets(),
            is_dated=data.dates is not None,
        )
        slopes = Slopes.of(
            second.fits,
            self._labels(),
            data.dates,
            has_const=self.fit_intercept,
            n_warm_up=second.warm_up,
        )
        self._judge(slopes)
        form, known = (self.weighting, self.fit_intercept), second.fits.coefficients.copy()
        fit = TwoPassFit(first, data.factors, second.returns, *form, slopes=known)
        self._finish_wide(slopes, fit, data.returns.columns)
        self.pricing_errors_ = second.pricing_errors(data.returns, self.intercept_, self.coef_)

    def diagnostics(self, significance: float = 0.05) -> Diagnostics:
        """Warning signs of a two-pass model: useless factors, weak identification.

        A rank test of the betas, a test for each factor that the betas on it are all the same, and
        where Fama-MacBeth and krs errors disagree about significance [1]_. p-values are those of
        a wild bootstrap, which heteroskedasticity and fat tails do not mislead; the same data
        have the same ones. There is no rank test where returns are missing.

        Parameters
        ----------
        significance : float, default=0.05
            Size of the tests behind the warnings.

        Returns
        -------
        Diagnostics
            With ``warnings``, a list of sentences.

        Raises
        ------
        ValueError
            In panel form, with missing factors, or with fewer dates than assets.

        References
        ----------
        .. [1] Kan, R. and C. Zhang (1999), "Two-Pass Tests of Asset Pricing Models with Useless
           Factors", Journal of Finance 54(1), 203-235. https://doi.org/10.1111/0022-1082.00102
        """
        return diagnose(self, significance)

    def slope_portfolios(
        self, X: ArrayLike, dates: RowLabels | None = None, sample_weight: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Weights of the portfolios whose returns are the slopes (Fama, 1976).

        On each date the weights of a slope are those of a zero-cost portfolio with exposure 1 to
        its column and 0 to the others; those of ``"const"`` add up to 1.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures, in wide form too (such as ``betas_``).
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X. Without dates all rows are one
            cross-section.
        sample_weight : array-like of shape (n_rows,), optional
            The weights that `fit` had, if any.

        Returns
        -------
        DataFrame of shape (n_rows, n_premia)
            Weights with the index of X; 0 for rows that miss an exposure, NaN on dates that cannot
            be estimated, and of the columns that a date drops.

        References
        ----------
        .. [1] Fama, E. F. (1976), Foundations of Finance, Basic Books, chapter 9.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        panel = find_panel(X, n_rows=len(values), dates=dates, date_level=self.date_level)
        weights = segment_slope_weights(
            values,
            one_segment(len(values)) if panel is None else panel.segments,
            check_row_weights(sample_weight, X, len(values), "sample_weight"),
            self.record_.slopes.has_const,
            self.rank_deficient == "drop",
        )
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(values))
        return pd.DataFrame(weights, index=index, columns=self.lambdas_.columns)
