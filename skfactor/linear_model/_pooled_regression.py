"""PooledRegression: one regression of all rows of a panel, with clustered errors."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._kernels.threads import Done
from skfactor._passes.panel_rows import PanelRows
from skfactor._passes.pooled import PooledMoments
from skfactor._passes.slopes import pooled_record
from skfactor._typing import RowLabels
from skfactor._validation import check_one_column, column_index, raise_if_empty
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import PremiaInference
from skfactor.linear_model._panel_fit import PanelModel
from skfactor.linear_model._premia_model import PREMIA_CONSTRAINTS

_CONSTRAINTS = ("fit_intercept", "missing", "date_level")


class PooledRegression(PanelModel[PooledMoments]):
    r"""One least-squares regression of all rows of a panel, with clustered errors.

    .. math:: r_{it} = \gamma_0 + x_{it}' \gamma + u_{it}

    Where `FamaMacBeth` averages one regression per date, here every row has the same weight (or its
    ``sample_weight``). So dates with more assets, and exposures that vary more, count more.
    Returns of one date share its shocks, and those of an asset may depend on each other over time:
    errors are clustered by date, by asset or by both [1]_ [2]_, or a kernel runs over dates [3]_.

    Cross-moments by date and by asset are all that is kept, as in `partial_fit`, on a stream of
    Parquet files and on a cluster. What needs the rows, ``"hc1"``, two ways of clustering and
    labels of rows, finds those of a `fit` in memory, by reference: do not change X in place before.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to estimate the zero-beta rate, the column ``"const"``. With ``date_effects`` it is
        one intercept per date: ``intercept_`` is then their average, weighted like the rows, which
        has no standard error; False predicts without it.
    date_effects : bool, default=False
        Whether each date has an intercept of its own. Slopes are then those of deviations from
        the means of the date, and columns that vary over dates only have none.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out rows that are missing.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    premia_ : Series of shape (n_premia,)
        Coefficients, ``"const"`` first, in the units of the returns.
    coef_ : ndarray of shape (n_features,)
        Those of the exposures.
    intercept_ : float
        The zero-beta rate, or the average date effect; 0 with ``fit_intercept=False``.
    date_effects_ : Series of shape (n_dates,)
        With ``date_effects``: the intercept of each date.
    r2_ : float
        R squared of the regression: of deviations from the means of dates with ``date_effects``,
        uncentred with neither these nor an intercept.
    n_rows_ : int
        Rows of the regression.
    dates_ : Index of shape (n_dates,)
        All dates of the fit, ascending.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    FamaMacBeth : One regression per date, and the average of their slopes.

    References
    ----------
    .. [1] Petersen, M. A. (2009), "Estimating Standard Errors in Finance Panel Data Sets: Comparing
       Approaches", Review of Financial Studies 22(1), 435-480. https://doi.org/10.1093/rfs/hhn053
    .. [2] Cameron, A. C., J. B. Gelbach and D. L. Miller (2011), "Robust Inference With Multiway
       Clustering", Journal of Business & Economic Statistics 29(2), 238-249.
       https://doi.org/10.1198/jbes.2010.07136
    .. [3] Driscoll, J. C. and A. C. Kraay (1998), "Consistent Covariance Matrix Estimation with
       Spatially Dependent Panel Data", Review of Economics and Statistics 80(4), 549-560.
       https://doi.org/10.1162/003465398557825

    Examples
    --------
    >>> from skfactor import PooledRegression
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> model = PooledRegression().fit(X, y)
    >>> by_date = model.inference("cluster", by="date")
    >>> both = model.inference("cluster", by=("asset", "date"))
    >>> by_date.std_errors.index.tolist() == both.premia.index.tolist()
    True
    >>> len(PooledRegression(date_effects=True).fit(X, y).date_effects_) == by_date.df + 1
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    __metadata_request__partial_fit: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        "date_effects": ["boolean"],
        **{name: PREMIA_CONSTRAINTS[name] for name in _CONSTRAINTS},
    }
    _part = PooledMoments

    premia_window = None
    premia_halflife = None
    min_assets = None

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        date_effects: bool = False,
        missing: str = "drop",
        date_level: str | int | None = "auto",
    ) -> None:
        self.fit_intercept = fit_intercept
        self.date_effects = date_effects
        self.missing = missing
        self.date_level = date_level

    @fitting(one_task=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> Self:
        """Estimate the coefficients.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Exposures or characteristics of each row.
        y : array-like of shape (n_rows,)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y has several columns, date and asset do not identify the rows, a value is
            infinite or text, exposures are collinear, or with ``date_effects`` there are no dates
            or a column varies within none.

        Warns
        -----
        RankDeficientWarning
            If there are no dates and exposures are collinear: coefficients are NaN. In
            `partial_fit` too, where other calls may bring more.
        NoDatesWarning
            If there are no dates anywhere, so that all rows make one cross-section.
        """
        values, target = self._validate(X, y, reset=True)
        raise_if_empty(target)
        check_one_column(
            target,
            "PooledRegression takes panels, with exposures",
            "Stack the returns by (date, asset), or use FamaMacBeth, which estimates the exposures "
            "itself.",
        )
        self._fit_panel(values, target, X, y, {"sample_weight": sample_weight}, dates)
        return self

    def inference(
        self,
        covariance: str = "auto",
        *,
        by: object = None,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        separate: bool = False,
        horizon: int | None = None,
        debiased: bool = True,
        **options: object,
    ) -> PremiaInference:
        """Standard errors, tests and intervals of the coefficients; nothing is estimated again.

        Parameters
        ----------
        covariance : {"auto", "cluster", "driscoll-kraay", "hc1", "classical"} or str, \
default="auto"
            - ``"cluster"``: rows of one cluster depend on each other in any way [1]_;
            - ``"driscoll-kraay"``: rows of one date do, and those of dates near each other, by a
              kernel [2]_;
            - ``"hc1"``: no row depends on another, and each has a variance of its own [3]_;
            - ``"classical"``: all have the same, as in a textbook;
            - ``"auto"``: clusters of dates, without dates hc1;
            - any other name that `skfactor.inference.register_covariance` was given.
        by : {"date", "asset"}, tuple of two, array-like of shape (n_rows,), callable or dict, \
optional
            Clusters, dates by default; the names of the index levels say the same. A pair such as
            ``("asset", "date")`` is clustering in two ways: the sum of both covariances less that
            of their intersections [1]_. An array has the label of each row of `fit`; a function
            gets the dates and returns a label for each; a dictionary has a label for each asset,
            such as its industry.
        kernel : str or None, default=None
            Of ``"driscoll-kraay"``, Bartlett's by default; as in `FamaMacBeth.inference`.
        bandwidth : float, str or None, default=None
            Its number of lags, or the name of a rule, as in `FamaMacBeth.inference`; the whole
            part of 4 (T / 100)^(2/9) by default.
        prewhiten : bool, default=False
            Take a first-order vector autoregression of the dates' sums out before.
        separate, horizon
            As in `FamaMacBeth.inference`, with ``"driscoll-kraay"``.
        debiased : bool, default=True
            Multiply by G / (G - 1) and (n - 1) / (n - k), with G clusters (dates), n rows and k
            coefficients, hc1 and classical by n / (n - k). In two ways each of the three
            covariances has its own G. Date effects count in k, but in clusters of dates, where
            there is one intercept. False has none of these factors.
        **options
            What a registered kind takes beside these.

        Returns
        -------
        PremiaInference
            t distributed with G - 1 degrees of freedom, the smaller G of two ways; n - k for hc1
            and classical.

        Raises
        ------
        ValueError
            If there is one cluster, a label is missing, or rows are needed and are not there.
        TypeError
            If the kind of covariance has no such option.

        Warns
        -----
        UserWarning
            If the covariance in two ways has negative eigenvalues, which are set to zero.

        References
        ----------
        .. [1] Cameron, A. C., J. B. Gelbach and D. L. Miller (2011), "Robust Inference With
           Multiway Clustering", Journal of Business & Economic Statistics 29(2), 238-249.
           https://doi.org/10.1198/jbes.2010.07136
        .. [2] Driscoll, J. C. and A. C. Kraay (1998), "Consistent Covariance Matrix Estimation with
           Spatially Dependent Panel Data", Review of Economics and Statistics 80(4), 549-560.
           https://doi.org/10.1162/003465398557825
        .. [3] White, H. (1980), "A Heteroskedasticity-Consistent Covariance Matrix Estimator and a
           Direct Test for Heteroskedasticity", Econometrica 48(4), 817-838.
           https://doi.org/10.2307/1912934
        """
        check_is_fitted(self)
        if self.premia_.isna().any():
            raise ValueError(
                "The coefficients are NaN: they could not be estimated, and have no errors. Drop "
                "collinear columns, or fit to more rows."
            )
        if by is not None:
            options = {"by": by, **options}
        return super().inference(
            covariance,
            kernel=kernel,
            bandwidth=bandwidth,
            prewhiten=prewhiten,
            separate=separate,
            horizon=horizon,
            debiased=debiased,
            **options,
        )

    def _fewest_assets(self) -> int:
        return 1

    def _labels(self) -> pd.Index:
        return column_index(self._names) if self.date_effects else super()._labels()

    def _regress(self, rows: PanelRows, done: Done) -> PooledMoments:
        if self.date_effects and rows.panel is None:
            raise ValueError(
                "date_effects=True needs dates, and the rows have none. Index X or y by (date, "
                "asset), or pass dates=."
            )
        return PooledMoments.of(
            rows,
            self._labels(),
            has_const=self.fit_intercept and not self.date_effects,
            date_effects=self.date_effects,
            has_names=hasattr(self, "feature_names_in_"),
            done=done,
        )

    def _so_far(self) -> PooledMoments:
        assert self.record_.pooled is not None
        return self.record_.pooled.moments

    def _conclude(
        self,
        whole: PooledMoments,
        *,
        last: PooledMoments | None = None,
        rows: PanelRows | None = None,
    ) -> None:
        if whole.date_effects and last is None:
            self._raise_if_absorbed(whole)
        n_rows, used = int(whole.by_date.n_rows.sum()), len(whole.labels)
        found = ""
        if n_rows < used:
            found = f"{n_rows} rows have a return and all exposures"
        if n_rows == 0 and last is None:
            raise ValueError("No row has a return and all exposures. Drop or impute exposures.")
        fit = whole.solve(rows)
        if not found and not np.isfinite(fit.solution.slopes).all():
            found = whole.describe_collinear(rows)
        if found:
            told = f"The {used} coefficients cannot be estimated: {found}."
            if whole.has_dates and last is None:
                raise ValueError(told)
            warn_user(f"{told} They are NaN.", RankDeficientWarning)
        self.record_ = pooled_record(fit)
        self.dates_ = whole.dates
        self.premia_ = self.record_.premia.copy()
        self.coef_ = fit.solution.slopes.copy()
        self.intercept_ = fit.solution.const
        if whole.date_effects:
            self.date_effects_ = fit.date_effects()
            if self.fit_intercept:
                weights = whole.by_date.weight
                self.intercept_ = float(np.nansum(self.date_effects_ * weights) / weights.sum())
        self.r2_, self.n_rows_ = fit.r2, fit.n_rows

    def _raise_if_absorbed(self, whole: PooledMoments) -> None:
        """Raise for columns that date effects take out."""
        varies_not = whole.variation.constant
        if varies_not.any():
            names = [n for n, constant in zip(whole.names, varies_not, strict=True) if constant]
            raise ValueError(
                f"The columns {names} vary within no date, and date_effects=True takes out what "
                "all rows of a date have in common. Drop them, or set date_effects=False."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags
