"""ThreePassPremia: premia of observed factors, whatever other factors move the returns."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._fitting import fitting
from skfactor._kernels.rounding import EPSILON, ROUNDING_UNITS
from skfactor._kernels.three_pass import (
    SecondPass,
    ThirdPass,
    second_pass,
    standardized,
    supervised_factors,
    third_pass,
    zero_beta_influence,
)
from skfactor._limits import single_blas_thread
from skfactor._panel import time_index
from skfactor._passes.cross_sections import raise_if_time_series
from skfactor._passes.slopes import PremiaRecord, Slopes, premia_record
from skfactor._sklearn import Interval, RealNotInt, StrOptions
from skfactor._typing import BoolArray, Float64Array, RowLabels
from skfactor._undated import warn_of_columns_left
from skfactor._validation import (
    feature_names,
    raise_if_empty,
    raise_if_repeated,
    target_names,
    validate_features,
    validate_target,
)
from skfactor._warn import warn_user
from skfactor.decomposition import ReturnPCA
from skfactor.decomposition._n_factors import METHODS
from skfactor.exceptions import RankDeficientWarning
from skfactor.inference import PremiaInference
from skfactor.inference._covariance import infer
from skfactor.inference._long_run import LongRun
from skfactor.linear_model._expected_returns import ExpectedReturns

_NOTES = {
    "missing": "Returns are missing: latent factors are taken as if all had been there.",
    "supervised": "Assets were chosen by their covariance with the factors, which the errors leave "
    "out; premia of weak factors are biased towards zero.",
}


class _Returns(ReturnPCA):
    """Principal components of what is y here."""

    _returns_name: ClassVar = "y"


class ThreePassPremia(ExpectedReturns):
    r"""Premia of observed factors, beside latent ones that drive the returns (Giglio-Xiu).

    A two-pass regression on some factors is biased by every priced factor that is left out, and by
    noise in those that are in. Here [1]_ principal components of the returns stand for all factors:
    a cross-sectional regression gives their premia :math:`\gamma`, a time-series regression the
    exposures :math:`\eta` of an observed factor to them, and its premium is
    :math:`\eta' \gamma`: that of the portfolio that mimics the factor. It does not depend on which
    other factors are observed; the factor may be traded or not, and may be noisy.

    The data have the **wide form**: X (n_periods, n_factors) and y (n_periods, n_assets).

    Parameters
    ----------
    n_components : int or str, default="gx"
        Number of latent factors, or a rule of `skfactor.decomposition.n_factors` by which to choose
        it, such as ``"gx"``, that of the authors. Too few bias the premia; some more than there are
        cost little: report several numbers.
    fit_intercept : bool, default=False
        Whether to estimate the zero-beta rate, the column ``"const"``.
    missing : {"raise", "pairwise", "em", "project"}, default="raise"
        What to do about missing returns to find the latent factors, see
        `skfactor.RiskPremiumPCA`. Loadings, and exposures of the factors of X, which may have
        missing values then, are regressions over what is there.
    supervised : int, float or None, default=None
        Supervised principal components [2]_, for factors that few assets are exposed to: each
        component is that of the assets that have the largest covariances with the factors of X, and
        is taken out of all returns and factors before the next. An int is the number of assets, a
        float their share; None is all assets, and no selection. It needs complete data.

    Attributes
    ----------
    premia_ : Series of shape (n_factors,)
        Premia of the factors of X, after ``"const"`` with ``fit_intercept``; in decimals per
        period.
    eta_ : DataFrame of shape (n_factors, n_components)
        Exposures of the factors of X to the latent ones.
    r2_ : Series of shape (n_factors,)
        Shares of the factors' variances that the latent ones explain.
    factors_ : DataFrame of shape (n_periods, n_components)
        Latent factors, with means 0, variances 1 and covariances 0.
    factor_premia_ : Series of shape (n_components,)
        What a unit of exposure to them earns; not negative.
    loadings_ : DataFrame of shape (n_assets, n_components)
        Exposures of the assets to the latent factors.
    mimicking_weights_ : DataFrame of shape (n_assets, n_factors)
        Portfolios that mimic the factors of X: with complete returns, their mean returns are the
        premia.
    lambdas_ : DataFrame of shape (n_periods, n_factors)
        Returns that the latent factors give these portfolios; after those of ``"const"``.
    expected_returns_ : Series of shape (n_assets,)
        Zero-beta rate plus loadings times premia.
    pricing_errors_ : Series of shape (n_assets,)
        Average returns less expected ones.
    cross_sections_ : DataFrame
        For each period ``n_assets``, the ``r2`` of its returns by the latent factors, and the
        ``condition_number`` of the loadings.
    n_components_ : int
        Number of latent factors.
    dates_ : Index of shape (n_periods,)
        Dates, ascending; 0, 1, ... where the rows have none.
    n_features_in_ : int
        Number of factors in X.
    feature_names_in_ : ndarray of shape (n_factors,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    FamaMacBeth : Premia of factors that are all the factors there are.
    skfactor.decomposition.n_factors : How many latent factors.

    Notes
    -----
    With :math:`v_t` the latent factors and :math:`w_t` what they leave of an observed one, date t
    has the influence :math:`\eta' v_t + w_t v_t' \gamma` on its premium; errors are the long-run
    variance of that. They ignore terms of order one over the number of assets. A factor that is
    only noise has :math:`\eta = 0` and a premium of zero, with errors that hold: `strength_test`
    tells it from others.

    Supervised components of weak factors are better than others and not unbiased: in simulations
    of 240 periods with a premium of 0.40, to which 8 of 200 assets had exposures of 0.5, the
    average estimate was 0.20 with 10 selected assets, 0.19 with 20, and 0.13 with all.

    References
    ----------
    .. [1] Giglio, S. and D. Xiu (2021), "Asset Pricing with Omitted Factors", Journal of Political
       Economy 129(7), 1947-1990. https://doi.org/10.1086/714090
    .. [2] Giglio, S., D. Xiu and D. Zhang (2025), "Test Assets and Weak Factors", Journal of
       Finance 80(1), 259-319. https://doi.org/10.1111/jofi.13415

    Examples
    --------
    >>> from skfactor import ThreePassPremia
    >>> from skfactor.datasets import load_french
    >>> french = load_french()
    >>> returns = french.filter(regex="^S[135]").sub(french["RF"], axis=0)
    >>> model = ThreePassPremia(5).fit(french[["MktRF", "SMB", "HML", "Mom"]], returns)
    >>> model.premia_.round(4).to_dict()
    {'MktRF': 0.0067, 'SMB': 0.0018, 'HML': 0.0034, 'Mom': 0.0074}
    >>> model.inference(kernel="bartlett").p_values.round(3).to_dict()
    {'MktRF': 0.0, 'SMB': 0.09, 'HML': 0.001, 'Mom': 0.0}
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({*METHODS, *map(str.upper, METHODS)}),
        ],
        "fit_intercept": ["boolean"],
        "missing": [StrOptions({"raise", "pairwise", "em", "project"})],
        "supervised": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
    }

    record_: PremiaRecord
    n_features_in_: int

    def __init__(
        self,
        n_components: int | str = "gx",
        *,
        fit_intercept: bool = False,
        missing: str = "raise",
        supervised: int | float | None = None,
    ) -> None:
        self.n_components = n_components
        self.fit_intercept = fit_intercept
        self.missing = missing
        self.supervised = supervised

    @fitting()
    @single_blas_thread
    def fit(self, X: ArrayLike, y: ArrayLike, dates: RowLabels | None = None) -> Self:
        """Estimate latent factors, their premia, and those of the factors in X.

        Parameters
        ----------
        X : array-like of shape (n_periods, n_factors)
            Factors of which the premia are wanted.
        y : array-like of shape (n_periods, n_assets)
            Excess returns, in decimals.
        dates : array-like of shape (n_periods,), optional
            Date of each row, if it is not in the index of X or y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the rows are (date, asset) pairs, a value is infinite or text, or missing with
            ``missing="raise"``, a factor does not vary, a rule finds no latent factor, or there are
            too few periods or assets.

        Warns
        -----
        RankDeficientWarning
            If there are fewer latent factors than ``n_components``, or assets with too few returns
            for their loadings, which are NaN.
        UserWarning, ConvergenceWarning
            As `skfactor.ReturnPCA` about missing returns.
        """
        observed, returns = self._read(X, y, dates)
        second, known = self._second_pass(observed.to_numpy(), returns)
        third = third_pass(observed.to_numpy()[known], second)
        self._store(observed, returns, known, second, third)
        return self

    def _read(
        self, X: ArrayLike, y: ArrayLike, dates: RowLabels | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Observed factors (T, d) and returns (T, N), by ascending date."""
        values = validate_features(self, X, reset=True).astype(np.float64)
        target = validate_target(self, X, y)
        raise_if_empty(target)
        for data in (X, y):
            if isinstance(data, pd.DataFrame | pd.Series) and data.index.nlevels > 1:
                raise ValueError(
                    f"Rows are indexed by {list(data.index.names)}; ThreePassPremia needs one row "
                    "a period, and one column per asset in y: pass returns.unstack() of a Series "
                    "of returns, and the factors of the same dates."
                )
        self._names = feature_names(self, X)
        if self.fit_intercept and "const" in self._names:
            raise ValueError(
                "X has a column 'const', which is the name of the zero-beta rate. Rename it, or "
                "drop it if it is a constant."
            )
        if target.size == len(target):
            raise_if_time_series(X, y)
        self._target_shape = target.shape[1:]
        target = target.reshape(len(target), -1)
        assets = target_names(y, target.shape[1])
        raise_if_repeated(assets, "y")
        if self.missing == "raise":
            for name, table in (("X", values), ("y", target)):
                n = int(np.isnan(table).any(axis=1).sum())
                if n:
                    raise ValueError(
                        f"{name} contains NaN in {n} of {len(table)} rows. missing='pairwise' uses "
                        "what there is, see the documentation; or drop rows or columns."
                    )
        if len(values) < 3:
            raise ValueError(f"X has n_samples={len(values)} periods; at least 3 are needed.")
        spread = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
        size = np.nanmax(np.abs(values), axis=0)
        constant: BoolArray = ~(spread > ROUNDING_UNITS * EPSILON * size)
        if constant.any():
            raise ValueError(
                f"The columns {[self._names[i] for i in np.flatnonzero(constant)]} of X do not "
                "vary, so that they have no premium. Drop them."
            )
        index = time_index(X, y, dates)
        if index is None:
            warn_of_columns_left(X)
            index = pd.RangeIndex(len(values))
        order = np.asarray(index.argsort())
        columns = pd.Index(self._names, tupleize_cols=False)
        return (
            pd.DataFrame(values[order], index[order], columns),
            pd.DataFrame(target[order], index[order], assets),
        )

    def _second_pass(
        self, observed: Float64Array, returns: pd.DataFrame
    ) -> tuple[SecondPass, BoolArray]:
        """Latent factors and their premia, and the periods (T,) on which they are known."""
        x = returns.to_numpy()
        if self.supervised is not None:
            missing = np.isnan(x).any() or np.isnan(observed).any()
            for what, given in (("fit_intercept=True", self.fit_intercept), ("NaN", missing)):
                if given:
                    raise ValueError(f"supervised={self.supervised} does not go with {what}.")
        # A single asset is its own component, whatever a rule says.
        n = 1 if returns.shape[1] == 1 else self.n_components
        components = _Returns(n, missing=self.missing).fit(returns)
        n = components.n_components_
        if len(returns) < n + 2:
            raise ValueError(
                f"{n} latent factors need at least {n + 2} periods; found {len(returns)}."
            )
        if self.supervised is None:
            factors, loadings = components.factors_.to_numpy(), components.loadings_.to_numpy()
            latent, known = standardized(factors, loadings)
            second = second_pass(x[known], latent, fit_intercept=self.fit_intercept)
            return self._priced(second, known)
        share = self.supervised if self.supervised >= 1 else self.supervised * x.shape[1]
        try:
            latent, weights = supervised_factors(
                x, observed, n, min(max(round(share), 1), x.shape[1])
            )
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"supervised={self.supervised} finds fewer than {n} latent factors: {error}. Pass "
                "fewer n_components."
            ) from error
        second = second_pass(x, latent, fit_intercept=False, weights=weights)
        return self._priced(second, np.ones(len(x), dtype=bool))

    def _priced(self, second: SecondPass, known: BoolArray) -> tuple[SecondPass, BoolArray]:
        unknown = np.isnan(second.loadings).any(axis=1)
        if unknown.any():
            warn_user(
                f"{int(unknown.sum())} of {len(unknown)} assets have too few returns for "
                f"{second.loadings.shape[1]} latent factors; their loadings are NaN.",
                RankDeficientWarning,
            )
        return second, known

    def _store(
        self,
        observed: pd.DataFrame,
        returns: pd.DataFrame,
        known: BoolArray,
        second: SecondPass,
        third: ThirdPass,
    ) -> None:
        dates, assets, n = returns.index, returns.columns, len(second.premia)
        names = pd.Index(
            ["const", *self._names] if self.fit_intercept else self._names, tupleize_cols=False
        )
        columns = pd.Index([f"latent{i}" for i in range(n)])
        latent = _on_all_dates(second.latent, known)
        lambdas = (second.premia + second.latent) @ third.exposures.T
        influence = third.influence
        if self.fit_intercept:
            path = zero_beta_influence(second)
            lambdas = np.column_stack([second.zero_beta + path, lambdas])
            influence = np.column_stack([path, influence])
        sections = self._sections(returns, known, second)
        slopes = Slopes(
            pd.DataFrame(_on_all_dates(lambdas, known), dates, names),
            sections,
            True,
            self.fit_intercept,
            np.zeros(len(dates), dtype=bool),
            np.zeros(len(self._names), dtype=bool),
        )
        is_gappy = bool(np.isnan(returns.to_numpy()).any() or observed.isna().to_numpy().any())
        notes = [_NOTES["missing"]] * is_gappy + [_NOTES["supervised"]] * (
            self.supervised is not None
        )
        record = premia_record(
            slopes,
            None,
            None,
            facts={"Form:": "wide, three-pass", "Latent factors:": str(n)},
            note=" ".join(notes),
        )
        self.record_ = replace(
            record,
            influence=_on_all_dates(influence, known),
            own_errors="giglio-xiu",
            n_used=n + 1,
        )
        self._exposure_influence = third.exposure_influence
        self.n_components_ = n
        self.dates_ = dates
        self.premia_ = self.record_.premia.copy()
        self.lambdas_, self.cross_sections_ = slopes.lambdas, sections
        self.eta_ = pd.DataFrame(third.exposures, observed.columns, columns)
        self.r2_ = pd.Series(third.r2, observed.columns, name="r2")
        self.factors_ = pd.DataFrame(latent, dates, columns)
        self.factor_premia_ = pd.Series(second.premia, columns, name="premium")
        self.loadings_ = pd.DataFrame(second.loadings, assets, columns)
        weights = second.weights @ third.exposures.T
        self.mimicking_weights_ = pd.DataFrame(weights, assets, observed.columns)
        expected = second.zero_beta + second.loadings @ second.premia
        self.expected_returns_ = pd.Series(expected, assets, name="expected_return")
        self.pricing_errors_ = (returns.mean() - self.expected_returns_).rename("pricing_error")

    def _sections(
        self, returns: pd.DataFrame, known: BoolArray, second: SecondPass
    ) -> pd.DataFrame:
        """Number of assets, R squared of the latent factors and condition number of each date."""
        explained = second.zero_beta + (second.premia + second.latent) @ second.loadings.T
        x = returns.to_numpy()[known]
        there = np.isfinite(x) & np.isfinite(explained)
        rest = np.where(there, x - explained, 0.0)
        level = np.zeros(len(x))
        if self.fit_intercept:
            level = np.where(there, x, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        total = np.where(there, x - level[:, None], 0.0)
        n_assets = np.isfinite(returns.to_numpy()).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1.0 - np.sum(rest**2, axis=1) / np.sum(total**2, axis=1)
            free = there.sum(axis=1) - len(second.premia) - self.fit_intercept
            ratio = np.where(free > 0, (there.sum(axis=1) - self.fit_intercept) / free, np.nan)
        loadings = second.loadings[np.isfinite(second.loadings).all(axis=1)]
        sizes = np.linalg.svd(loadings, compute_uv=False)
        return pd.DataFrame(
            {
                "n_assets": n_assets,
                "r2": _on_all_dates(r2[:, None], known)[:, 0],
                "adj_r2": _on_all_dates((1.0 - (1.0 - r2) * ratio)[:, None], known)[:, 0],
                "condition_number": sizes[0] / sizes[-1],
            },
            returns.index,
        )

    def _predict_rows(self, X: ArrayLike, values: Any) -> Float64Array | None:
        if self.missing == "raise" and np.isnan(values).any():
            raise ValueError("X contains NaN. Pass missing='pairwise' for factors that may miss.")
        return None

    def inference(
        self,
        covariance: str = "auto",
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
        debiased: bool = True,
        **options: object,
    ) -> PremiaInference:
        """Standard errors, tests and intervals of the premia; nothing is estimated again.

        Parameters
        ----------
        covariance : {"auto", "giglio-xiu"} or str, default="auto"
            ``"giglio-xiu"``: the long-run variance of the influence of each date, as in Notes;
            or a name that `skfactor.inference.register_covariance` was given.
        kernel : {None, "bartlett", "parzen", "quadratic-spectral"}, default=None
            Kernel of the long-run variance; None assumes no serial dependence.
        bandwidth : float, str or None, default=None
            Number of lags, or the name of a rule; as in `skfactor.FamaMacBeth.inference`.
        prewhiten : bool, default=False
            Take a first-order vector autoregression out before and put it back after.
        debiased : bool, default=True
            Multiply the variance by T / (T - p - 1), with p latent factors.
        **options
            What the kind of covariance takes beside these.

        Returns
        -------
        PremiaInference
            Normally distributed.

        Raises
        ------
        ValueError
            If the kind, kernel or bandwidth is unknown or without effect.
        TypeError
            If the kind of covariance has no such option.
        """
        check_is_fitted(self)
        return infer(
            self.record_,
            covariance,
            kernel=kernel,
            bandwidth=bandwidth,
            prewhiten=prewhiten,
            debiased=debiased,
            options=options,
        )

    def strength_test(
        self,
        *,
        kernel: str | None = None,
        bandwidth: float | str | None = None,
        prewhiten: bool = False,
    ) -> pd.DataFrame:
        r"""Test of each factor of X that it has nothing to do with the latent ones.

        The null :math:`\eta = 0` of a weak or useless factor, by a Wald statistic that is robust to
        heteroskedasticity, and with a kernel to serial dependence.

        Parameters
        ----------
        kernel, bandwidth, prewhiten
            Long-run variance, as in `inference`.

        Returns
        -------
        DataFrame of shape (n_factors, 4)
            ``r2``, the share of the factor's variance that the latent ones explain, ``statistic``,
            its degrees of freedom ``df`` and ``p_value``, by the chi-square distribution.

        Raises
        ------
        ValueError
            If the kernel or bandwidth is unknown or without effect.
        """
        check_is_fitted(self)
        long_run = LongRun(kernel, bandwidth, prewhiten)
        series, p = self._exposure_influence, self.n_components_
        wald = []
        for i, own in enumerate(self.eta_.to_numpy()):
            covariance, _ = long_run.covariance(series[:, i], self.record_.positions)
            wald.append(float(len(series) * own @ np.linalg.solve(covariance, own)))
        p_values = stats.chi2.sf(wald, p)
        table = {"r2": self.r2_, "statistic": wald, "df": p, "p_value": p_values}
        return pd.DataFrame(table, index=self.r2_.index)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "raise"
        tags.regressor_tags.poor_score = True  # of one asset it knows no more than a mean
        return tags


def _on_all_dates(values: Float64Array, known: BoolArray) -> Float64Array:
    """Values of the known dates, NaN on the others."""
    out = np.full((len(known), values.shape[1]), np.nan)
    out[known] = values
    return out
