"""TradedFactorModel: factors that are returns themselves, so that their means are the premia."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import calendar_positions
from skfactor._fitting import fitting
from skfactor._limits import muted
from skfactor._panel import find_panel
from skfactor._passes.slopes import describe_dates
from skfactor._passes.time_series import WideData
from skfactor._sklearn import StrOptions
from skfactor._typing import Float64Array, FloatArray, RowLabels
from skfactor._validation import (
    feature_names,
    validate_features,
    validate_target,
)
from skfactor.exceptions import NoDatesWarning
from skfactor.inference._grs import AlphaInference, AlphaSample, grs_test
from skfactor.inference._long_run import LongRun
from skfactor.inference._premia import PremiaInference, TestResult
from skfactor.linear_model._expected_returns import ExpectedReturns, raise_for_kind
from skfactor.linear_model._factor_betas import FactorBetas

# What to type for errors that know of serial dependence.
_KERNELS = (
    "those of Newey and West are kernel='bartlett', with bandwidth= a number of lags or a rule."
)


class TradedFactorModel(ExpectedReturns):
    r"""Linear factor model whose factors are traded, by time-series regressions.

    .. math:: R_{it} = \alpha_i + \beta_i' f_t + \varepsilon_{it}, \qquad \lambda = E[f_t]

    A factor that is an excess return, or a return long minus short, prices itself: its premium is
    its mean, and the model holds if all alphas are zero [1]_. It fits **wide** data, X (n_periods,
    n_factors) and y (n_periods, n_assets); **one series**, y (n_periods,); and **long** data, the
    factor returns of each row's date in X and one return per row in y, indexed by (date, asset).

    Parameters
    ----------
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out a missing return, and periods in which a factor is missing.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    premia_ : Series of shape (n_factors,)
        Means of the factors over the periods that have them all, in decimals per period.
    alphas_ : Series of shape (n_assets,)
        Mean returns that the factors leave unexplained, in decimals per period.
    betas_ : DataFrame of shape (n_assets, n_factors)
        Exposures.
    r2_ : Series of shape (n_assets,)
        R squared of each time-series regression.
    residuals_ : DataFrame of shape (n_periods, n_assets)
        Residuals, in ascending order of dates.
    expected_returns_ : Series of shape (n_assets,)
        Betas times premia, in decimals per period.
    first_pass_ : FactorBetas
        The fitted time-series regressions.
    dates_ : Index of shape (n_periods,)
        Dates, 0, 1, ... where the rows have none.
    n_features_in_ : int
        Number of factors.
    feature_names_in_ : ndarray of shape (n_factors,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    FamaMacBeth : Premia from the cross-section of returns, for factors that are not traded.

    References
    ----------
    .. [1] Black, F., M. C. Jensen and M. Scholes (1972), "The Capital Asset Pricing Model: Some
       Empirical Tests", in M. C. Jensen (ed.), Studies in the Theory of Capital Markets, Praeger.

    Examples
    --------
    >>> from skfactor import TradedFactorModel
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[15]V").sub(french["RF"], axis=0)
    >>> model = TradedFactorModel().fit(french[["MktRF", "SMB", "HML"]], returns)
    >>> model.premia_.round(4)
    MktRF    0.0065
    SMB      0.0016
    HML      0.0035
    Name: premium, dtype: float64
    >>> print(model.grs_test())
    F(6, 810) = 8.2486, p-value < 0.0001
    H0: the alphas of all 6 assets are zero
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    # Formulas cannot take the intercept out, as from a model with ``fit_intercept=True``.
    always_fits_alphas: ClassVar = True
    _parameter_constraints: ClassVar = {
        "missing": [StrOptions({"drop", "raise"})],
        "date_level": [str, int, None],
    }

    def __init__(self, *, missing: str = "drop", date_level: str | int | None = "auto") -> None:
        self.missing = missing
        self.date_level = date_level

    @fitting()
    def fit(self, X: ArrayLike, y: ArrayLike, dates: RowLabels | None = None) -> Self:
        """Estimate premia, alphas and betas.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_factors)
            Returns of the factors, in decimals.
        y : array-like of shape (n_periods, n_assets) or (n_periods,)
            Excess returns of the assets, or of one.
        dates : array-like of shape (n_periods,), optional
            Date of each row, if it is not in the index of X or y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a value is infinite or text, rows differ or a date occurs twice for an asset, or no
            asset has enough observations.

        Warns
        -----
        RankDeficientWarning
            If some assets have too few observations; their alphas and betas are NaN.
        """
        values = validate_features(self, X, reset=True)
        target = validate_target(self, X, y)
        self._names = feature_names(self, X)
        self._target_shape = target.shape[1:]
        self._is_long = self._find_long(X, y, dates, target)
        first_pass = FactorBetas(missing=self.missing, date_level=self.date_level)
        if self._is_long:
            self.first_pass_ = first_pass.fit(X, y, dates=dates)
        else:
            returns = target.reshape(len(target), -1)
            wide = WideData.read(X, y, values, returns, self._names, dates, self.date_level)
            if target.ndim == 1:
                wide.returns.columns = [_series_name(y)]
            # Said just now, of X itself.
            fit = muted(first_pass.fit, NoDatesWarning)
            self.first_pass_ = fit(wide.factors, wide.returns)
        self._store()
        return self

    def _find_long(
        self, X: ArrayLike, y: ArrayLike | None, dates: RowLabels | None, target: Float64Array
    ) -> bool:
        """Whether rows are (date, asset) pairs and not the periods of one asset or of several."""
        if target.size > len(target):
            return False
        panel = find_panel(X, y, n_rows=len(target), dates=dates, date_level=self.date_level)
        return panel is not None and (panel.assets is not None or len(panel.dates) < len(target))

    def _store(self) -> None:
        first = self.first_pass_
        self.alphas_, self.betas_, self.r2_ = first.alphas_, first.betas_, first.r2_
        self.residuals_ = first.residuals_
        self.dates_ = first.residuals_.index
        factors = first.record_.factors
        assert factors is not None
        self._known = np.isfinite(factors.to_numpy()).all(axis=1)
        self._factors = factors.loc[self._known]
        self.premia_ = self._factors.mean().rename("premium")
        self.expected_returns_ = (self.betas_ @ self.premia_).rename("expected_return")

    def _predict_rows(self, X: ArrayLike, values: FloatArray) -> Float64Array | None:
        if not self._is_long:
            return None
        betas = np.asarray(self.first_pass_.transform(X), dtype=np.float64)
        expected: Float64Array = betas @ self.premia_.to_numpy()
        return expected

    def inference(
        self,
        covariance: str = "auto",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        debiased: bool = True,
    ) -> PremiaInference:
        """Standard errors, tests and intervals of the premia, the means of the factors.

        Parameters
        ----------
        covariance : {"auto"}, default="auto"
            There is one kind.
        kernel, bandwidth, prewhiten
            Long-run variance, as in `skfactor.FamaMacBeth.inference`.
        debiased : bool, default=True
            Multiply the variance by T / (T - 1).

        Returns
        -------
        PremiaInference
            t distributed with T - 1 degrees of freedom.

        Raises
        ------
        ValueError
            If there is only one period, or the kernel or bandwidth is unknown.
        """
        check_is_fitted(self)
        raise_for_kind(self, "inference", covariance, _KERNELS)
        long_run, n_dates = LongRun(kernel, bandwidth, prewhiten), len(self._factors)
        if n_dates < 2:
            raise ValueError("Errors come from the variation over periods, and there is only one.")
        influence = (self._factors - self.premia_).to_numpy()
        cov, lags = long_run.covariance(influence, self._positions())
        cosines = long_run.is_cosines  # whose t distribution is all they need
        cov = cov / (n_dates - 1 if debiased and not cosines else n_dates)
        names = self.premia_.index
        return PremiaInference(
            premia=self.premia_.copy(),
            cov=pd.DataFrame(cov, index=names, columns=names),
            df=lags if cosines else n_dates - 1.0,
            covariance="means of factors",
            kernel=kernel,
            bandwidth=lags,
            prewhitened=prewhiten,
            describe=self._description().copy,
        )

    def alpha_inference(
        self,
        covariance: str = "auto",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        debiased: bool = True,
    ) -> AlphaInference:
        """Standard errors, tests and intervals of the alphas, robust to heteroskedasticity.

        An asset that misses returns has the errors of its own periods.

        Parameters
        ----------
        covariance : {"auto"}, default="auto"
            There is one kind.
        kernel, bandwidth, prewhiten
            Long-run variance, as in `skfactor.FamaMacBeth.inference`.
        debiased : bool, default=True
            Multiply the variance by T / (T - K - 1), with the number of periods of each asset.

        Returns
        -------
        AlphaInference
            Normally distributed; ``wald_test()`` tests that all alphas are zero.

        Raises
        ------
        ValueError
            If an asset has K + 1 periods and ``debiased=True``, or the kernel or bandwidth is
            unknown.
        """
        check_is_fitted(self)
        raise_for_kind(self, "alpha_inference", covariance, _KERNELS)
        self.first_pass_.record_.raise_if_collinear("alpha_inference")
        long_run = LongRun(kernel, bandwidth, prewhiten)
        cosines = long_run.is_cosines
        debiased = debiased and not cosines
        residuals = self.residuals_.to_numpy()[self._known]
        alphas = np.asarray(self.alphas_, dtype=np.float64)
        sample = AlphaSample(
            self._factors.to_numpy(), alphas, residuals, self._positions(), long_run, debiased
        )
        cov, lags = sample.covariance(debiased)
        assets = self.alphas_.index
        return AlphaInference(
            premia=self.alphas_.copy(),
            cov=pd.DataFrame(cov, index=assets, columns=assets),
            df=lags if cosines else np.inf,
            covariance="robust",
            kernel=kernel,
            bandwidth=lags,
            prewhitened=prewhiten,
            describe=self._description().copy,
            sample=sample,
        )

    def grs_test(
        self,
        *,
        covariance: str = "homoskedastic",
        small_sample: bool | str = "auto",
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        n_draws: int = 999,
        random_state: int = 0,
    ) -> TestResult:
        """Test that all alphas are zero; see `skfactor.inference.grs_test`.

        Raises ``ValueError`` if returns are missing: then ``alpha_inference().wald_test()`` is the
        test.
        """
        check_is_fitted(self)
        fitted = self._factors @ self.betas_.T + self.alphas_
        returns = fitted + self.residuals_.loc[self._known]
        if returns.isna().to_numpy().any():
            raise ValueError(
                "Some returns are missing, and the GRS test needs complete ones. "
                "alpha_inference().wald_test() tests the alphas here."
            )
        return grs_test(
            self._factors,
            returns,
            covariance=covariance,
            small_sample=small_sample,
            kernel=kernel,
            bandwidth=bandwidth,
            prewhiten=prewhiten,
            n_draws=n_draws,
            random_state=random_state,
        )

    def j_test(
        self,
        *,
        small_sample: bool | str = "auto",
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        n_draws: int = 999,
        random_state: int = 0,
    ) -> TestResult:
        """Test that all alphas are zero, ``alpha_inference().wald_test()`` of these options.

        The overidentifying restrictions of the model, as those of other models in
        `skfactor.inference.j_test`. Raises ``ValueError`` if the alphas have a singular covariance.
        """
        return self.alpha_inference(
            kernel=kernel, bandwidth=bandwidth, prewhiten=prewhiten
        ).wald_test(small_sample=small_sample, n_draws=n_draws, random_state=random_state)

    def _positions(self) -> Any:
        return calendar_positions(self.dates_)[self._known]

    def _description(self) -> dict[str, str]:
        return {
            "Form:": "traded factors",
            **describe_dates(self.dates_, self._known),
            "Assets:": str(int(self.alphas_.notna().sum())),
            "Average R2:": f"{self.r2_.mean():.4f}",
        }

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True  # of one asset it knows no more than a mean
        return tags


def _series_name(y: ArrayLike | None) -> Any:
    name = getattr(y, "name", None)
    return "asset" if name is None else name
