"""LinearFactorGMM: premia and betas of a linear factor model in one efficient estimation."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skfactor._collinear import describe_collinear
from skfactor._dates import calendar_positions
from skfactor._fitting import fitting
from skfactor._kernels.collinear import find_collinear
from skfactor._kernels.factor_moments import (
    FactorMoments,
    SingularMomentsError,
    UnidentifiedError,
    estimate,
)
from skfactor._kernels.long_run import KERNELS
from skfactor._kernels.rounding import MOMENT_PIVOT, TINY
from skfactor._passes.time_series import WideData
from skfactor._sklearn import Interval, StrOptions
from skfactor._typing import Float64Array, RowLabels
from skfactor._validation import (
    check_flag,
    feature_names,
    raise_if_repeated,
    validate_features,
    validate_target,
)
from skfactor._warn import warn_user
from skfactor.exceptions import SmallSampleWarning
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference, TestResult, chi2_test, f_test
from skfactor.inference._small_sample import check_small_sample
from skfactor.linear_model._expected_returns import ExpectedReturns, raise_for_kind


class LinearFactorGMM(ExpectedReturns):
    r"""Linear factor model by the efficient generalized method of moments, in wide form.

    Betas, premia and factor means are chosen together so that the averages of

    .. math:: \varepsilon_t \otimes [1, f_t'] \quad \text{and} \quad f_t - \mu, \qquad
        \varepsilon_t = R_t - \lambda_0 - B (\lambda_1 + f_t - \mu)

    are small, weighed by the inverse of their covariance matrix [1]_. Factors need not be traded.
    The start is the two-pass estimate; derivatives are exact, moments scaled to unit variance and
    parameters measured in their standard errors.

    Parameters
    ----------
    steps : {"two-step", "iterated", "continuously-updated"}, default="two-step"
        Weights at the two-pass estimates and then, once more, at what these give; weights updated
        until nothing changes; or weights that change within the minimization [2]_.
    fit_intercept : bool, default=True
        Whether to estimate the zero-beta rate, the column ``"const"``.
    kernel : {None, "bartlett", "parzen", "quadratic-spectral"}, default=None
        Kernel of the moments' long-run covariance; None assumes no serial dependence.
    bandwidth : float, str or None, default=None
        Number of lags, or a rule of `FamaMacBeth.inference` applied at the two-pass estimates.
    max_iter : int, default=1000
        Most updates of the weights, and most steps of each minimization.
    tol : float, default=1e-6
        Converged is what a step moves by less than this number of standard errors.

    Attributes
    ----------
    premia_ : Series of shape (n_premia,)
        Zero-beta rate (``"const"``) and premia, in decimals per period.
    betas_, factor_means_ : DataFrame of shape (n_assets, n_factors), Series of shape (n_factors,)
        Exposures, and the estimated means of the factors.
    expected_returns_, pricing_errors_ : Series of shape (n_assets,)
        Zero-beta rate plus betas times premia, and the average returns minus these.
    n_iter_, converged_ : int, bool
        Updates of the weights or steps of the last minimization, and whether they sufficed.
    coef_, intercept_, dates_, n_features_in_, feature_names_in_
        As in `FamaMacBeth`.

    References
    ----------
    .. [1] Hansen, L. P. (1982), "Large Sample Properties of Generalized Method of Moments
       Estimators", Econometrica 50(4), 1029-1054. https://doi.org/10.2307/1912775
    .. [2] Hansen, L. P., J. Heaton and A. Yaron (1996), "Finite-Sample Properties of Some
       Alternative GMM Estimators", Journal of Business & Economic Statistics 14(3), 262-280.
       https://doi.org/10.1080/07350015.1996.10524656

    Examples
    --------
    >>> from skfactor import LinearFactorGMM
    >>> from skfactor.datasets import make_two_pass
    >>> factors, returns = make_two_pass(n_assets=8, random_state=0, return_X_y=True)
    >>> print(LinearFactorGMM().fit(factors, returns).j_test())
    F(4, 593) = 1.5128, p-value = 0.1969
    H0: all pricing errors are zero
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        "steps": [StrOptions({"two-step", "iterated", "continuously-updated"})],
        "fit_intercept": ["boolean"],
        "kernel": [StrOptions(set(KERNELS)), None],
        "bandwidth": [Interval(Real, 0, None, closed="left"), str, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        steps: str = "two-step",
        fit_intercept: bool = True,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        max_iter: int = 1000,
        tol: float = 1e-6,
    ) -> None:
        self.steps = steps
        self.fit_intercept = fit_intercept
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.max_iter = max_iter
        self.tol = tol

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike, dates: RowLabels | None = None) -> Self:
        """Estimate premia, betas and factor means.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_factors)
            Factors.
        y : array-like of shape (n_periods, n_assets)
            Returns, in decimals; in excess of a riskless rate with ``fit_intercept=False``.
        dates : array-like of shape (n_periods,), optional
            Date of each row, if it is not in the index of X or y.

        Raises
        ------
        ValueError
            If assets or periods are too few, a value is missing, or premia are not identified.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` does not suffice.
        """
        factors = validate_features(self, X, reset=True).astype(np.float64)
        returns = validate_target(self, X, y)
        names, self._target_shape = feature_names(self, X), returns.shape[1:]
        self._check_size(factors, returns, names)
        wide = WideData.read(X, y, factors, returns, names, dates)
        self.dates_, assets = wide.returns.index, wide.returns.columns
        raise_if_repeated(assets, "y")
        data, positions = (
            # Copies: the caller may write into X and y later.
            (wide.returns.to_numpy(copy=True), wide.factors.to_numpy(copy=True)),
            calendar_positions(self.dates_),
        )
        moments = FactorMoments(*data, self.fit_intercept, positions, self.kernel)
        start = moments.two_pass()
        series = moments.series(start)
        scaled = (series - series.mean(axis=0)) / np.maximum(series.std(axis=0), TINY)
        _, lags = LongRun(self.kernel, self.bandwidth).covariance(scaled, positions)
        self._moments = replace(moments, lags=lags)
        try:
            found = estimate(self._moments, start, self.steps, self.max_iter, self.tol)
        except SingularMomentsError:
            columns = find_collinear(
                np.hstack([data[1], data[0]]).T, fit_intercept=True, tolerance=MOMENT_PIVOT
            )
            which = describe_collinear(columns, (*names, *assets), intercept_is_optional=False)
            raise ValueError(
                "The moments' covariance is singular: an asset or a factor follows from others"
                f"{f'; {which}' if which else ''}."
            ) from None
        except UnidentifiedError as error:
            alike = find_collinear(
                error.betas.T, fit_intercept=self.fit_intercept, tolerance=MOMENT_PIVOT
            )
            which = describe_collinear(alike, names)
            raise ValueError(
                "The premia are not identified: betas are collinear or all the same"
                f"{f', {which}' if which else '. Drop a factor'}."
            ) from None
        self._theta, self._j = found.theta, found.j
        self.n_iter_, self.converged_ = found.n_iter, found.converged
        self._form = f"{self.steps} GMM"
        if not self.converged_:
            warn_user(
                f"Not converged in {self.max_iter} iterations. Increase max_iter or tol.",
                ConvergenceWarning,
            )
        betas, gamma, means = self._moments.unpack(self._theta)
        labels = ["const", *names] if self.fit_intercept else names
        self.premia_ = pd.Series(gamma, index=labels, name="premium")
        self.betas_ = pd.DataFrame(betas, index=assets, columns=names)
        self.factor_means_ = pd.Series(means, index=names, name="mean")
        self.coef_ = gamma[-len(names) :]
        self.intercept_ = float(gamma[0]) if self.fit_intercept else 0.0
        expected = self.intercept_ + betas @ self.coef_
        self.expected_returns_ = pd.Series(expected, index=assets, name="expected_return")
        errors = returns.mean(axis=0) - expected
        self.pricing_errors_ = pd.Series(errors, index=assets, name="pricing_error")
        return self

    def _check_size(
        self, factors: Float64Array, returns: Float64Array, names: Sequence[Hashable]
    ) -> None:
        (t, k), n = factors.shape, returns.size // len(returns)
        if np.isnan(factors).any() or np.isnan(returns).any():
            raise ValueError("X or y holds NaN, and GMM needs whole periods. Drop the others.")
        if self.fit_intercept and "const" in names:
            raise ValueError("X has a column 'const', which is the name of the intercept.")
        if n < k + self.fit_intercept or n < 2:
            raise ValueError(
                f"{k + self.fit_intercept} premia need at least as many assets, and 2; y has {n} "
                "column(s). Pass one column per asset, or fewer factors."
            )
        n_moments = n * (k + 1) + k
        if t <= n_moments:
            raise ValueError(
                f"{n} assets and {k} factors make {n_moments} moments, which need at least "
                f"{n_moments + 1} periods; found {t}. Pass fewer assets, or use FamaMacBeth."
            )

    def inference(self, covariance: str = "auto", *, debiased: bool = True) -> PremiaInference:
        """Standard errors, tests and intervals of the premia, normal and for a correct model.

        Parameters
        ----------
        covariance : {"auto"}, default="auto"
            That of efficient GMM is the only kind; its kernel is a parameter of the model.
        debiased : bool, default=True
            Multiply the variance by T / (T - K).

        Returns
        -------
        PremiaInference

        Warns
        -----
        SmallSampleWarning
            If there are fewer than 12 dates for each asset, unless ``debiased=False`` says that the
            asymptotic formula is meant: the weights of the moments are estimates, of which the
            errors know nothing. With 25 assets they reject 22 percent of true premia at 5 percent
            in 120 dates, and 10 in 240.
        """
        check_is_fitted(self)
        instead = "a kernel is chosen before fit, LinearFactorGMM(kernel='bartlett')."
        raise_for_kind(self, "inference", covariance, instead)
        check_flag(debiased, "debiased")
        moments = self._moments
        (t, k), n = moments.factors.shape, len(self.betas_)
        if debiased and t < _FEWEST_DATES_PER_ASSET * n:
            warn_user(
                f"The errors of LinearFactorGMM are too small with fewer than "
                f"{_FEWEST_DATES_PER_ASSET} dates for each asset, and there are {t} dates for {n} "
                "assets. Use FamaMacBeth, whose errors hold, or fewer assets; debiased=False says "
                "that the asymptotic errors are meant.",
                SmallSampleWarning,
            )
        scaled = moments.whitening(self._theta)(moments.jacobian(self._theta))
        inverse = np.linalg.inv(np.linalg.qr(scaled, mode="r"))
        cov = inverse @ inverse.T * (t / (t - k) if debiased else 1.0)
        names, which = self.premia_.index, slice(self.betas_.size, -k)
        return PremiaInference(
            premia=self.premia_.copy(),
            cov=pd.DataFrame(cov[which, which], index=names, columns=names),
            df=np.inf,
            covariance="efficient gmm",
            kernel=moments.kernel,
            bandwidth=moments.lags,
            describe={
                "Form:": self._form,
                "Dates used:": str(t),
                "Assets:": str(len(self.betas_)),
                "J statistic:": f"{self._j:.4f}",
                "Converged:": "yes" if self.converged_ else "no",
            }.copy,
        )

    def j_test(self, *, small_sample: bool | str = "auto") -> TestResult:
        """Test that all pricing errors are zero, by the overidentifying restrictions.

        Parameters
        ----------
        small_sample : {"auto", True, False}, default="auto"
            With P premia True compares J (T - K - N + P) / (T (N - P)) with the F distribution with
            (N - P, T - K - N + P) degrees of freedom: of true models of 10 assets it rejects 4 to 7
            percent at 5 percent from 120 dates on, of 25 assets 5 to 6 percent from 240 on, and it
            warns below 240. False is chi-square with N - P degrees of freedom, which rejects 6 to
            13 percent of them. ``"auto"`` is True without a kernel; with a kernel it is False, and
            warns.

        Returns
        -------
        TestResult

        Raises
        ------
        ValueError
            If there are no more assets than premia, or the form is not there.

        Warns
        -----
        SmallSampleWarning
            If the distribution does not hold in a sample of this size.
        """
        check_is_fitted(self)
        form = check_small_sample(small_sample)
        if form == "wild":
            raise ValueError(
                "small_sample='wild' is not for LinearFactorGMM; j_test of a FamaMacBeth has it."
            )
        df = len(self.betas_) - len(self.premia_)
        if df == 0:
            raise ValueError("As many assets as premia are always priced. Pass more assets.")
        null, (t, k) = "all pricing errors are zero", self._moments.factors.shape
        if self.kernel is not None and small_sample is True:
            raise ValueError(
                "small_sample=True: j_test has no form for small samples with a kernel. Pass "
                "small_sample=False."
            )
        if form and (self.kernel is not None or t < _FEWEST_DATES):
            few = f"with fewer than {_FEWEST_DATES} dates, found {t}"
            warn_user(
                "The J test of LinearFactorGMM may reject true models too often "
                f"{few if self.kernel is None else 'with a kernel'}. small_sample=False says that "
                "the asymptotic distribution is meant; j_test of a FamaMacBeth has "
                "small_sample='wild'.",
                SmallSampleWarning,
            )
        if not form or self.kernel is not None:
            return chi2_test(self._j, df, null)
        free = t - k - df
        statistic = self._j * free / (t * df)
        return f_test(statistic, df, free, null)


# Of the F distribution of J, by simulation.
_FEWEST_DATES = 240
# Of the errors of the premia, by simulation.
_FEWEST_DATES_PER_ASSET = 12
