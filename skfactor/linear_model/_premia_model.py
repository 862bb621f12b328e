"""What follows from premia, however they were estimated: expected returns, errors, tables."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._passes.slopes import PremiaRecord, Slopes, premia_record
from skfactor._passes.two_pass import TwoPassFit
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import Float64Array, FloatArray
from skfactor._validation import (
    column_index,
    feature_names,
    has_text_names,
    raise_if_missing,
    validate_features,
    validate_target,
)
from skfactor.inference import PremiaInference
from skfactor.inference._covariance import infer
from skfactor.inference._diagnostics import note_on_factors
from skfactor.linear_model._expected_returns import ExpectedReturns

# Parameters that all of these models have.
PREMIA_CONSTRAINTS: dict[str, list[Any]] = {
    "fit_intercept": ["boolean"],
    "premia_window": [Interval(Integral, 1, None, closed="left"), None],
    "premia_halflife": [Interval(Real, 0, None, closed="neither"), None],
    "min_assets": [Interval(Integral, 1, None, closed="left"), None],
    "missing": [StrOptions({"drop", "raise"})],
    "rank_deficient": [StrOptions({"nan", "raise"})],
    "date_level": [str, int, None],
}


class PremiaModel(ExpectedReturns):
    """A model of premia; its `fit` makes `Slopes` and ends in `_finish`: it leaves ``record_``."""

    _fama_macbeth_note: ClassVar = "Exposures taken as known: their estimation adds no error."

    fit_intercept: bool
    premia_window: int | None
    premia_halflife: float | None
    min_assets: int | None
    missing: str
    rank_deficient: str
    date_level: str | int | None
    n_features_in_: int
    record_: PremiaRecord
    _names: list[Any]

    def _fewest_assets(self) -> int:
        return max(self.min_assets or 0, int(self.n_features_in_) + self.fit_intercept)

    def _validate(self, X: Any, y: Any, *, reset: bool) -> tuple[FloatArray, Float64Array]:
        """Features and target as arrays; the names of the features are stored."""
        values = validate_features(self, X, reset=reset)
        target = validate_target(self, X, y)
        if self.missing == "raise":
            raise_if_missing(values, target)
        if reset:
            self._names = feature_names(self, X)
        if self.fit_intercept and "const" in self._names:
            raise ValueError(
                "X has a column 'const', which is the name of the intercept. Rename the column, or "
                "drop it if it is a constant."
            )
        self._target_shape = target.shape[1:]
        return values, target

    def _labels(self) -> pd.Index:
        """Names of the slopes."""
        return column_index(["const", *self._names] if self.fit_intercept else self._names)

    def _judge(self, slopes: Slopes) -> None:
        """Raise or warn where the slopes of all dates cannot be estimated."""
        slopes.variation.raise_if_constant(self._names, self.fit_intercept)
        refuse = self.rank_deficient == "raise"
        slopes.report_failures(self._fewest_assets(), refuse=refuse, whole=True)
        self._raise_if_no_average(slopes)

    def _raise_if_no_average(self, slopes: Slopes) -> None:
        weights = slopes.average_weights(self.premia_window, self.premia_halflife)
        if np.isnan(weights).any() and slopes.estimated.any():
            raise ValueError(
                f"None of the last {self.premia_window} dates could be estimated, so they have no "
                "average. Use a longer premia_window."
            )
        if self.rank_deficient == "drop" and slopes.estimated.any():
            known = np.isfinite(slopes.lambdas.to_numpy()[weights > 0.0]).any(axis=0)
            if not known.all():
                raise ValueError(
                    f"The columns {list(slopes.lambdas.columns[~known])} have no slope on the last "
                    f"{self.premia_window} dates, which all drop them. Use a longer premia_window, "
                    "or drop these columns."
                )

    def _finish(self, slopes: Slopes, two_pass: TwoPassFit | None = None) -> None:
        """Average the slopes; store them and what follows from them."""
        record = premia_record(
            slopes,
            self.premia_window,
            self.premia_halflife,
            two_pass=two_pass,
            facts=self._facts(),
            note=self._fama_macbeth_note,
        )
        self.record_ = record
        self.lambdas_, self.cross_sections_ = slopes.lambdas, slopes.sections
        self.dates_ = slopes.dates
        self.premia_ = record.premia.copy()
        premia = record.premia.to_numpy()
        self.coef_ = premia[-self.n_features_in_ :].copy()
        self.intercept_ = float(premia[0]) if self.fit_intercept else 0.0

    def _facts(self) -> dict[str, str]:
        """Parameters of this fit that its summaries say."""
        return {}

    def _expected(self, exposures: Float64Array, index: pd.Index) -> pd.Series:
        expected = self.intercept_ + exposures @ self.coef_
        return pd.Series(expected, index=index, name="expected_return")

    def _predict_rows(self, X: ArrayLike, values: FloatArray) -> Float64Array | None:
        if self.record_.two_pass is not None:
            return None
        expected: Float64Array = self.intercept_ + values @ self.coef_
        return expected

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
        separate: bool = False,
        horizon: int | None = None,
        debiased: bool = True,
        **options: object,
    ) -> PremiaInference:
        """Standard errors, tests and intervals of the premia; nothing is estimated again.

        Parameters
        ----------
        covariance : {"auto", "fama-macbeth", "shanken", "gmm", "krs"} or str, default="auto"
            - ``"fama-macbeth"``: time-series variation of the slopes, exposures taken as
              known [1]_.
            - ``"shanken"``: wide form with complete returns; adds the errors of the estimated
              betas, residuals being independent of the factors and over time [2]_.
            - ``"gmm"``: wide form; errors of slopes and betas for any distribution, if the model
              is correctly specified [3]_.
            - ``"krs"``: wide form; holds if the model is misspecified too [4]_.
            - ``"bootstrap"``: wide form with complete returns; both passes are run again in draws
              of the dates, see `skfactor.inference.BootstrapInference`. It takes ``n_draws=999``,
              ``random_state=0``, a seed, and ``block_length=None``: the mean number of dates that
              are drawn together, chosen by default, 1 where dates are independent [11]_.
            - ``"hodrick"``: panels of returns over ``horizon`` dates that overlap; from
              ``one_period=``, the returns of single dates, a Series by (date, asset), and
              ``exposures=``, the X of the fit (with ``sample_weight=``, if it had any) [12]_. Under
              the hypothesis that no premium is paid it needs no lags.
            - ``"auto"``: krs where it holds (wide form, full-sample betas, premia averaged over all
              dates with equal weights), else fama-macbeth; the summary says so. With
              ``one_period=`` hodrick.
            - any other name that `skfactor.inference.register_covariance` was given.
        kernel : {None, "ewc", "bartlett", "parzen", "quadratic-spectral", "hansen-hodrick"}, \
default=None
            How serial dependence enters the long-run variance; None assumes that there is none.
            ``"ewc"``, equally weighted cosines [9]_, is the one whose tests reject true hypotheses
            as often as they say: t and F have as many degrees of freedom as there are cosines, and
            nothing is debiased. Lag windows [5]_ reject too often in small samples.
            ``"hansen-hodrick"`` [10]_ weighs all lags equally, for overlapping returns.
        bandwidth : float, "newey-west", "andrews", "rule-of-thumb" or None, default=None
            Number of lags L: lag j is weighed at j / (L + 1) by the Bartlett and Parzen kernels,
            at j / L by the quadratic-spectral one. ``"newey-west"``, the default with a kernel,
            is the automatic choice of 1994 [6]_, ``"andrews"`` the one from autoregressions [7]_,
            and ``"rule-of-thumb"`` the whole part of 4 (T / 100)^(2/9). Lags are distances on the
            calendar: dates that could not be estimated leave a gap. Rules and prewhitening measure
            each premium in its standard deviation, so that units do not matter. For ``"ewc"`` it is
            the number of cosines, .4 T^(2/3) rounded up by default.
        prewhiten : bool, default=False
            Take a first-order vector autoregression out before and put it back after [8]_.
        separate : bool, default=False
            Choose lags, and prewhiten, premium by premium, as programs do that regress each
            series of slopes on a constant; automatic lags are not capped by the sample then. There
            is no joint covariance: ``cov`` is NaN beside its diagonal.
        horizon : int, optional
            Dates that each return spans, of returns that overlap: the kernel is ``"ewc"`` with
            .4 (T / horizon)^(2/3) cosines, two at least, or ``"hansen-hodrick"`` with
            ``horizon - 1`` lags. With ``one_period=`` and ``exposures=`` the errors are Hodrick's.
        debiased : bool, default=True
            Multiply the variance by T / (T - 1) for fama-macbeth and by T / (T - K - 1) for the
            others, and with a GLS second pass make the inverse of the return covariance in krs
            unbiased, (T - N - 2) / T. With unequal weights T is the effective number of dates,
            one over their sum of squares.
        **options
            What a kind takes beside these, if it was registered with options of its own; see
            `skfactor.inference.register_covariance`.

        Returns
        -------
        PremiaInference
            t distributed with T - 1 degrees of freedom for fama-macbeth, normal for the others;
            with ``kernel="ewc"`` t with the number of cosines.

        Raises
        ------
        ValueError
            If the form or the model cannot give this covariance, an option is unknown or without
            effect, or there are too few dates, for prewhitening too.
        TypeError
            If the kind of covariance has no such option.

        Warns
        -----
        SmallSampleWarning
            With Hansen and Hodrick's lags, if dates are fewer than 20 for each of the horizon.

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
        .. [9] Lazarus, E., D. J. Lewis, J. H. Stock and M. W. Watson (2018), "HAR Inference:
           Recommendations for Practice", Journal of Business & Economic Statistics 36(4), 541-559.
           https://doi.org/10.1080/07350015.2018.1506926
        .. [10] Hansen, L. P. and R. J. Hodrick (1980), "Forward Exchange Rates as Optimal
           Predictors of Future Spot Rates", Journal of Political Economy 88(5), 829-853.
           https://doi.org/10.1086/260910
        .. [11] Politis, D. N. and J. P. Romano (1994), "The Stationary Bootstrap", Journal of the
           American Statistical Association 89(428), 1303-1313.
           https://doi.org/10.1080/01621459.1994.10476870
        .. [12] Hodrick, R. J. (1992), "Dividend Yields and Expected Stock Returns: Alternative
           Procedures for Inference and Measurement", Review of Financial Studies 5(3), 357-386.
           https://doi.org/10.1093/rfs/5.3.351
        """
        check_is_fitted(self)
        return infer(
            self.record_,
            covariance,
            kernel=kernel,
            bandwidth=bandwidth,
            prewhiten=prewhiten,
            separate=separate,
            horizon=horizon,
            debiased=debiased,
            options=options,
        )

    def _summarized(self, inference: PremiaInference) -> PremiaInference:
        fit = self.record_.two_pass
        note = "" if fit is None else note_on_factors(fit)
        return replace(inference, notes=(*inference.notes, note)) if note else inference

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
