"""What follows from premia, however they were estimated: expected returns, scores, inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from statsmodels.iolib.summary import Summary

from skfactor._dates import calendar_positions
from skfactor._passes.cross_sections import (
    Fits,
    average_over_time,
    average_weights,
    date_tables,
    report_failures,
)
from skfactor._sklearn import CallbackSupportMixin, Estimator
from skfactor._typing import Float64Array, FloatArray
from skfactor._validation import (
    check_row_weights,
    column_index,
    frozen,
    has_text_names,
    target_names,
    validate_features,
    validate_target,
)
from skfactor.inference import PremiaInference
from skfactor.inference._diagnostics import Diagnostics, diagnose
from skfactor.inference._infer_premia import infer_premia
from skfactor.inference._long_run import LongRun
from skfactor.linear_model._estimated_premia import EstimatedPremia
from skfactor.linear_model._two_pass_fit import TwoPassFit


class PremiaModel(CallbackSupportMixin, RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model of premia in panel or wide form; its `fit` ends in `_store`."""

    _fama_macbeth_note: ClassVar = "Exposures taken as known: their estimation adds no error."

    fit_intercept: bool
    premia_window: int | None
    premia_halflife: float | None
    min_assets: int | None
    rank_deficient: str
    n_features_in_: int
    expected_returns_: pd.Series
    betas_: pd.DataFrame
    lambdas_: pd.DataFrame
    cross_sections_: pd.DataFrame
    _estimated: EstimatedPremia
    _two_pass: TwoPassFit | None
    _names: list[Any]
    _target_shape: tuple[int, ...]

    def _fewest_assets(self) -> int:
        return max(self.min_assets or 0, int(self.n_features_in_) + self.fit_intercept)

    def _store(
        self,
        fits: Fits,
        dates: pd.Index | None,
        values: FloatArray | None,
        *,
        all_dates: pd.Index | None = None,
        warm_up: int = 0,
        more_to_come: bool = False,
        judge: bool = True,
    ) -> None:
        """Store slopes and premia; with ``all_dates``, those of earlier calls, then these."""
        if judge:
            report_failures(
                fits,
                dates,
                min_assets=self._fewest_assets(),
                refuse=self.rank_deficient == "raise",
                values=values,
                names=self._names,
                warm_up=warm_up,
                more_to_come=more_to_come,
            )
        labels = column_index(["const", *self._names] if self.fit_intercept else self._names)
        index = pd.RangeIndex(len(fits.n_rows)) if dates is None else dates
        tables = date_tables(fits, labels, index, self.fit_intercept)
        if all_dates is not None:
            earlier = (self.lambdas_, self.cross_sections_)
            tables = [
                pd.concat(pair, ignore_index=True).set_axis(all_dates)
                for pair in zip(earlier, tables, strict=True)
            ]
        self._average_slopes(tables, more_to_come=more_to_come)

    def _average_slopes(
        self, tables: Sequence[pd.DataFrame], *, more_to_come: bool = False
    ) -> None:
        """Store the tables of slopes and cross-sections, and what follows from them."""
        if not tables[0].index.is_monotonic_increasing:
            order = tables[0].index.argsort()
            tables = [table.iloc[order] for table in tables]
        self.lambdas_, self.cross_sections_ = tables
        self.dates_ = self.lambdas_.index
        # In one memory order: sums must not depend on how the slopes came together.
        slopes = np.ascontiguousarray(self.lambdas_.to_numpy())
        solved = np.isfinite(slopes).all(axis=1)
        weights = average_weights(
            calendar_positions(self.dates_),
            solved,
            self.premia_window,
            self.premia_halflife,
            more_to_come=more_to_come,
        )
        # Dates without an estimate weigh nothing, but 0 * NaN would still be NaN.
        premia = weights[solved] @ slopes[solved]
        if not solved.any():
            premia = np.full(slopes.shape[1], np.nan)
        self.premia_ = pd.Series(premia, index=self.lambdas_.columns, name="premium")
        self.coef_ = premia[-self.n_features_in_ :].copy()
        self.intercept_ = float(premia[0]) if self.fit_intercept else 0.0
        self._estimated = EstimatedPremia(
            frozen(tables[0]),
            frozen(tables[1]),
            weights,
            self.premia_.copy(),
            self.fit_intercept,
            self.premia_window is None and self.premia_halflife is None,
            self._settings(),
        )

    def _expected(self, exposures: Float64Array, index: pd.Index) -> pd.Series:
        expected = self.intercept_ + exposures @ self.coef_
        return pd.Series(expected, index=index, name="expected_return")

    def predict(self, X: Any) -> Float64Array:
        """Expected returns from the premia.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            What it was in `fit`: exposures (panel), or factor returns of any periods (wide), of
            which only the number matters.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_periods, n_assets)
            Zero-beta rate plus exposures times premia, in decimals; NaN where an exposure is. In
            wide form each row is ``expected_returns_``.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        if self._two_pass is not None:
            return np.tile(self.expected_returns_.to_numpy(), (len(values), 1))
        expected: Float64Array = self.intercept_ + values @ self.coef_
        return expected.reshape(-1, *self._target_shape)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared of the expected returns.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.

        Returns
        -------
        float
            Panel: R squared of `predict` over all rows without NaN. Wide: R squared over the
            assets of ``expected_returns_`` against their average returns in y.
        """
        expected = self.predict(X)
        target = validate_target(self, X, y)
        weights = check_row_weights(sample_weight, X, len(target), "sample_weight")
        if self._two_pass is not None:
            if target.shape != expected.shape or not target_names(y, target.shape[1]).equals(
                self.expected_returns_.index
            ):
                names = list(self.expected_returns_.index[:5])
                raise ValueError(
                    f"y has other assets than the {expected.shape[1]} of fit: its columns need "
                    f"their names and order, {names} ..."
                )
            actual, weights = average_over_time(target, weights), None
            expected = self.expected_returns_.to_numpy()
        else:
            actual, expected = target.reshape(-1), expected.reshape(-1)
        known = np.isfinite(actual) & np.isfinite(expected)
        if not known.any():
            return float("nan")
        kept = None if weights is None else weights[known]
        return float(r2_score(actual[known], expected[known], sample_weight=kept))

    def expected_returns(self, exposures: Any) -> pd.Series:
        """Expected returns of any assets or portfolios from their exposures.

        Parameters
        ----------
        exposures : DataFrame or array of shape (n_assets, n_features), or Series
            Exposures with the names of `fit`, in any order if they are text; a Series is one asset.

        Returns
        -------
        Series of shape (n_assets,)
            In decimals, labelled like the rows of ``exposures``.

        Raises
        ------
        ValueError
            If the names are not those of `fit`, or are not text and in another order.
        """
        check_is_fitted(self)
        if isinstance(exposures, pd.Series):
            exposures = exposures.to_frame().T
        if isinstance(exposures, pd.DataFrame):
            if set(exposures.columns) != set(self._names):
                raise ValueError(
                    f"exposures has the columns {list(exposures.columns)}; the model was fitted "
                    f"on {self._names}."
                )
            if has_text_names(exposures):  # of others the order has to be that of fit
                exposures = exposures[self._names]
        values = validate_features(self, exposures, reset=False)
        rows = exposures.index if isinstance(exposures, pd.DataFrame) else len(values)
        index = pd.RangeIndex(rows) if isinstance(rows, int) else rows
        return self._expected(values.astype(np.float64), index)

    def inference(
        self,
        covariance: str = "auto",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        debiased: bool = True,
    ) -> PremiaInference:
        """Standard errors, tests and intervals of the premia; nothing is estimated again.

        Parameters
        ----------
        covariance : {"auto", "fama-macbeth", "shanken", "gmm", "krs"}, default="auto"
            - ``"fama-macbeth"``: time-series variation of the slopes, exposures taken as
              known [1]_.
            - ``"shanken"``: wide form with complete returns; adds the errors of the estimated
              betas, residuals being independent of the factors and over time [2]_.
            - ``"gmm"``: wide form; errors of slopes and betas for any distribution, if the model
              is correctly specified [3]_.
            - ``"krs"``: wide form; holds if the model is misspecified too [4]_.
            - ``"auto"``: krs where it holds (wide form, full-sample betas, premia averaged over all
              dates alike), else fama-macbeth, which the summary says.
        kernel : {None, "bartlett", "parzen", "quadratic-spectral"}, default=None
            Kernel of the long-run variance [5]_; None assumes no serial dependence.
        bandwidth : float, "newey-west", "andrews", "rule-of-thumb" or None, default=None
            Number of lags L: lag j is weighed at j / (L + 1) by the Bartlett and Parzen kernels,
            at j / L by the quadratic-spectral one. ``"newey-west"``, the default with a kernel,
            is the automatic choice of 1994 [6]_, ``"andrews"`` the one from autoregressions [7]_,
            and ``"rule-of-thumb"`` the whole part of 4 (T / 100)^(2/9). Lags are distances on the
            calendar: dates that could not be estimated leave a gap. Rules and prewhitening measure
            each premium in its standard deviation, so that units do not matter.
        prewhiten : bool, default=False
            Take a first-order vector autoregression out before and put it back after [8]_.
        debiased : bool, default=True
            Multiply the variance by T / (T - 1) for fama-macbeth and by T / (T - K - 1) for the
            others, and with a GLS second pass make the inverse of the return covariance in krs
            unbiased, (T - N - 2) / T. With unequal weights T is the effective number of dates,
            one over their sum of squares.

        Returns
        -------
        PremiaInference
            t distributed with T - 1 degrees of freedom for fama-macbeth, normal for the others.

        Raises
        ------
        ValueError
            If the form or the model cannot give this covariance, an option is unknown or without
            effect, or there are too few dates, for prewhitening too.

        References
        ----------
        .. [1] Fama, E. F. and J. D. MacBeth (1973), "Risk, Return, and Equilibrium: Empirical
           Tests", Journal of Political Economy 81(3), 607-636. https://doi.org/10.1086/260061
        .. [2] Shanken, J. (1992), "On the Estimation of Beta-Pricing Models", Review of Financial
           Studies 5(1), 1-33. https://doi.org/10.1093/rfs/5.1.1
        .. [3] Jagannathan, R. and Z. Wang (1998), "An Asymptotic Theory for Estimating Beta-Pricing
           Models Using Cross-Sectional Regression", Journal of Finance 53(4), 1285-1309.
           https://doi.org/10.1111/0022-1082.00053
        .. [4] Kan, R., C. Robotti and J. Shanken (2013), "Pricing Model Performance and the
           Two-Pass Cross-Sectional Regression Methodology", Journal of Finance 68(6), 2617-2649.
           https://doi.org/10.1111/jofi.12035
        .. [5] Newey, W. K. and K. D. West (1987), "A Simple, Positive Semi-Definite,
           Heteroskedasticity and Autocorrelation Consistent Covariance Matrix", Econometrica
           55(3), 703-708. https://doi.org/10.2307/1913610
        .. [6] Newey, W. K. and K. D. West (1994), "Automatic Lag Selection in Covariance Matrix
           Estimation", Review of Economic Studies 61(4), 631-653.
           https://doi.org/10.2307/2297912
        .. [7] Andrews, D. W. K. (1991), "Heteroskedasticity and Autocorrelation Consistent
           Covariance Matrix Estimation", Econometrica 59(3), 817-858.
           https://doi.org/10.2307/2938229
        .. [8] Andrews, D. W. K. and J. C. Monahan (1992), "An Improved Heteroskedasticity and
           Autocorrelation Consistent Covariance Matrix Estimator", Econometrica 60(4), 953-966.
           https://doi.org/10.2307/2951574
        """
        check_is_fitted(self)
        return infer_premia(
            self._estimated.premia,
            self._estimated.sample(self._two_pass),
            covariance,
            obstacle=self._obstacle_to,
            is_two_pass=self._two_pass is not None,
            long_run=LongRun(kernel, bandwidth, prewhiten),
            debiased=debiased,
            describe=self._estimated.describe(self._two_pass),
            note=self._fama_macbeth_note,
        )

    def summary(
        self,
        covariance: str = "auto",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        debiased: bool = True,
    ) -> Summary:
        """Table of `inference`, with the same parameters: prints, and renders as LaTeX and HTML."""
        inference = self.inference(
            covariance, kernel=kernel, bandwidth=bandwidth, prewhiten=prewhiten, debiased=debiased
        )
        note = "" if self._two_pass is None else self._two_pass.note_on_factors()
        notes = (*inference.notes, note) if note else inference.notes
        return replace(inference, notes=notes).summary()

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

    def _obstacle_to(self, covariance: str) -> str:
        """Why a kind of covariance does not hold; empty if it holds."""
        if covariance == "fama-macbeth":
            return ""
        if self._two_pass is None:
            return (
                "needs betas estimated by the model itself; here the exposures are given. Pass y "
                "with one column an asset to have them estimated."
            )
        if not self._estimated.alike:
            return "is for averages of all dates, without premia_window or premia_halflife."
        return self._two_pass.obstacle_to(covariance)

    def _settings(self) -> dict[str, str]:
        """Parameters of this fit that its summaries say."""
        return {}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags
