"""What InstrumentedPCA and InstrumentedPCACV share: factors given sums of each date."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skfactor._dates import calendar_positions
from skfactor._fitting import fit_task, fitting
from skfactor._kernels.instrumented import (
    DateSums,
    Fitted,
    Problem,
    dependent_columns,
    explained_shares,
    held_out_squares,
)
from skfactor._kernels.segments import one_segment
from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import single_blas_thread
from skfactor._panel import Panel, find_panel, one_cross_section, raise_if_one_row_a_date
from skfactor._passes.cross_sections import raise_if_time_series
from skfactor._passes.slopes import average_weights
from skfactor._risk_model import RiskModel
from skfactor._sklearn import (
    CallbackSupportMixin,
    Estimator,
    Interval,
    StrOptions,
    feature_names_in,
)
from skfactor._typing import BoolArray, Float64Array, FloatArray, RandomState, RowLabels
from skfactor._undated import warn_undated
from skfactor._validation import (
    check_one_column,
    check_row_weights,
    feature_names,
    has_text_names,
    is_one_of,
    is_whole,
    like_input,
    raise_if_empty,
    raise_if_missing,
    random_source,
    validate_features,
    validate_target,
)
from skfactor._warn import warn_user
from skfactor.decomposition._instrumented_inference import InstrumentedPCAInference
from skfactor.decomposition._instrumented_rows import Rows, rows_of_segments
from skfactor.decomposition._instrumented_sums import InstrumentedSums
from skfactor.exceptions import RankDeficientWarning

# Of the parameters that both have.
INSTRUMENTED_CONSTRAINTS: dict[str, list[Any]] = {
    "fit_alpha": ["boolean"],
    "add_constant": ["boolean"],
    "premia_window": [Interval(Integral, 1, None, closed="left"), None],
    "premia_halflife": [Interval(Real, 0, None, closed="neither"), None],
    "min_assets": [Interval(Integral, 1, None, closed="left"), None],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="neither")],
    "ridge": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
    "missing": [StrOptions({"drop", "raise"})],
    "date_level": [str, int, None],
}
# Sizes of a characteristic in the tenth and the ninetieth of a hundred dates that differ by more
# than this factor, squared, are said to move; fewer rows per date than this do not tell.
_SCALE_MOVES, _ENOUGH_ROWS = 9.0, 30
# Fewest residuals of an asset that its variance is estimated from.
_FEWEST_RESIDUALS = 12
# Where a fit without alphas and observed factors is stopped, from which that with them starts.
_FIRST_TOLERANCE = 1e-2


class InstrumentedModel(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    RegressorMixin,  # type: ignore[misc]
    Estimator,
):
    """Latent factors whose exposures are linear in characteristics, of panels."""

    __metadata_request__fit: ClassVar = {"dates": True, "factors": True}
    fit_alpha: bool
    add_constant: bool
    premia_window: int | None
    premia_halflife: float | None
    min_assets: int | None
    n_init: int
    max_iter: int
    tol: float
    ridge: float
    random_state: RandomState
    missing: str
    date_level: str | int | None
    n_features_in_: int
    dates_: pd.Index
    gamma_: pd.DataFrame
    gamma_alpha_: pd.Series
    gamma_observed_: pd.DataFrame
    factors_: pd.DataFrame
    premia_: pd.Series

    @property
    @abstractmethod
    def _n_latent(self) -> int:
        """Number of latent factors of the fit."""

    @fitting(one_task=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> Self:
        """Estimate coefficients and latent factors.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics of each row, known before its return.
        y : array-like of shape (n_rows,)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row's squared residual.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X or y. A scalar: one cross-section.
        factors : DataFrame of shape (n_periods, n_observed), optional
            Factors that are observed, indexed by date; each date of the rows is looked up in it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y has several columns, rows cannot be told apart by date and asset, a value is
            infinite or text, characteristics are collinear, there are more components than
            characteristics, ``factors`` lacks dates, or no date has enough rows.

        Warns
        -----
        RankDeficientWarning
            If dates have too few rows; they are left out.
        ConvergenceWarning
            If ``max_iter`` steps were not enough.
        UserWarning
            If the scale of characteristics moves over time.
        NoDatesWarning
            If there are no dates anywhere, so that all rows make one cross-section.
        """
        rows = self._read_rows(X, y, sample_weight, dates, reset=True)
        raise_if_empty(rows.returns)
        self._factors = factors
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            self._finish(self._sums_of(rows, factors, done), None)
            self.specific_variances_ = rows.specific_variances(self._paths())
        return self

    def _read_rows(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        dates: RowLabels | None,
        *,
        reset: bool,
    ) -> Rows:
        values = validate_features(self, X, reset=reset)
        target = validate_target(self, X, y)
        check_one_column(
            target,
            "InstrumentedPCA takes panels, with characteristics",
            "RiskPremiumPCA finds the factors of wide returns.",
        )
        if self.missing == "raise":
            raise_if_missing(values, target)
        if self.add_constant and "const" in feature_names(self, X):
            raise ValueError(
                "X has a column 'const', which is the name of the constant that add_constant=True "
                "adds. Drop the column, or pass add_constant=False."
            )
        if reset:
            self._names = feature_names(self, X)
        weights = check_row_weights(sample_weight, X, len(values), "sample_weight")
        panel = self._find_panel(X, y, len(values), dates)
        return Rows(values, target.reshape(-1), weights, panel, self.add_constant)

    def _find_panel(
        self, X: ArrayLike, y: ArrayLike, n_rows: int, dates: RowLabels | None
    ) -> Panel | None:
        panel = find_panel(X, y, n_rows=n_rows, dates=dates, date_level=self.date_level)
        if panel is None:
            raise_if_time_series(X, y)
            if self.date_level is not None:
                warn_undated(X, "all rows are taken as one cross-section")
        if panel is not None and (panel.assets is None or len(panel.assets) > 1):
            raise_if_one_row_a_date(panel, n_rows, type(self).__name__)
        return panel

    @single_blas_thread
    def _sums_of(
        self, rows: Rows, factors: pd.DataFrame | pd.Series | None, done: Done
    ) -> InstrumentedSums:
        """Sums of the dates of some rows, with the observed factors on them."""
        names = (*self._names, "const") if self.add_constant else tuple(self._names)
        return InstrumentedSums(
            rows.sums(rows.segments, done),
            rows.dates,
            rows.look_up(factors),
            names,
            rows.panel is not None,
            hasattr(self, "feature_names_in_"),
        )

    def _sums_as_in_fit(
        self, rows: Rows, factors: pd.DataFrame | pd.Series | None
    ) -> InstrumentedSums:
        """`_sums_of` rows that are not fitted to; the factors have to be those of the fit."""
        read = self._sums_of(rows, factors, report_nothing)
        found, fitted = list(read.observed.columns), list(self.gamma_observed_.columns)
        if found != fitted:
            raise ValueError(f"factors has the columns {found}, and had {fitted} in fit.")
        return read

    def _finish(self, read: InstrumentedSums, start: Float64Array | None) -> None:
        """Fit to the sums of all dates, and store what follows."""
        sums, labels, observed, names = read.sums, read.dates, read.observed, list(read.names)
        self._has_dates = read.has_dates
        is_solvable = self._check_sums(sums, labels, names)
        used: BoolArray = sums.n_rows >= max(self.min_assets or 1, self._n_latent)
        given = observed.to_numpy(dtype=np.float64)
        if self.fit_alpha:
            given = np.column_stack([np.ones(len(sums)), given])
        taken = sums if used.all() else sums.take(used)
        if is_solvable:
            self._check_factors(given[used], list(observed.columns))
            fitted = self._solve(taken.with_ridge(self.ridge), given[used], start)
        else:
            shape = (len(names), self._n_latent + given.shape[1])
            nothing = np.full((len(taken), self._n_latent), np.nan)
            fitted = Fitted(np.full(shape, np.nan), nothing, np.nan, np.nan, 0)
        self.n_iter_ = max(fitted.n_iter, 1)
        self.converged_ = fitted.gradient < self.tol
        if is_solvable and not self.converged_:
            warn_user(
                f"InstrumentedPCA made {fitted.n_iter} steps and the gradient is still "
                f"{fitted.gradient:.1e} of its parts, above tol={self.tol:g}. Raise max_iter, use "
                "fewer components, or bring the characteristics to one scale first.",
                ConvergenceWarning,
            )
        k, rows = self._n_latent, pd.Index(names, tupleize_cols=False)
        columns = [f"instrumentedpca{i}" for i in range(k)]
        coefficients = fitted.coefficients
        self._read, self._sums, self._observed = read, sums, observed
        self.dates_ = labels
        self.gamma_ = pd.DataFrame(coefficients[:, :k], rows, columns)
        alpha = coefficients[:, k] if self.fit_alpha else np.zeros(len(names))
        self.gamma_alpha_ = pd.Series(alpha, rows, name="alpha")
        self.gamma_observed_ = pd.DataFrame(
            coefficients[:, k + self.fit_alpha :], rows, observed.columns
        )
        latent = np.full((len(sums), k), np.nan)
        latent[used] = fitted.latent
        self.factors_ = pd.DataFrame(latent, labels, columns)
        self.managed_portfolios_ = pd.DataFrame(
            np.where(sums.weight[:, None] > 0.0, sums.portfolios, np.nan), labels, rows
        )
        self._describe(taken, coefficients, fitted.latent, given[used], used)
        weights = average_weights(
            calendar_positions(labels), used, self.premia_window, self.premia_halflife
        )
        if np.isnan(weights).any():
            raise ValueError(
                f"None of the last {self.premia_window} dates could be estimated, so their "
                "factors have no average. Use a longer premia_window."
            )
        both = np.column_stack([np.where(used[:, None], latent, 0.0), observed.to_numpy()])
        self.premia_ = pd.Series(
            weights @ both.astype(np.float64), [*columns, *observed.columns], name="premium"
        )

    def _check_sums(self, sums: DateSums, labels: pd.Index, names: list[Hashable]) -> bool:
        """Raise or warn of what makes the fit impossible, or its result doubtful.

        False if there is no fit: rows without dates, of which scikit-learn's checks fit any number.
        """
        if self._n_latent > len(names):
            raise ValueError(
                f"n_components={self._n_latent} is more than the {len(names)} characteristics "
                "of X (with the constant). Pass fewer."
            )
        fewest = max(self.min_assets or 1, self._n_latent)
        thin: BoolArray = sums.n_rows < fewest
        if thin.all():
            raise ValueError(
                f"No date has {fewest} complete rows (the most are {int(sums.n_rows.max())}). Use "
                "fewer components or a smaller min_assets, or drop or impute characteristics."
            )
        if thin.any():
            warn_user(
                f"{int(thin.sum())} of {len(thin)} dates have fewer than {fewest} complete rows "
                f"and are left out (first: {labels[thin][0]}).",
                RankDeficientWarning,
            )
        taken = sums.take(~thin) if thin.any() else sums
        if not taken.squares.any():
            raise ValueError("y is zero in all rows, so that there are no factors to find.")
        if self.ridge == 0.0:
            dependent = dependent_columns(taken.mean_moments)
            if dependent:
                found = (
                    f"The characteristics {[names[i] for i in dependent]} are collinear or "
                    f"constant in all {int(taken.n_rows.sum())} rows together"
                )
                if self._has_dates:
                    raise ValueError(f"{found}. Drop some, or pass ridge=1e-6, for example.")
                warn_user(f"{found}, so that the coefficients are NaN.", RankDeficientWarning)
                return False
        if len(taken) >= 10 and np.median(taken.n_rows) >= _ENOUGH_ROWS:
            squares = np.einsum("tll->tl", taken.moments)
            low, high = np.quantile(squares, [0.1, 0.9], axis=0)
            moves = high > _SCALE_MOVES * low
            if moves.any():
                warn_user(
                    f"The scale of the characteristics "
                    f"{[names[i] for i in np.flatnonzero(moves)[:5]]} moves over time: there may "
                    "be local optima. Put FactorRanker or FactorZScorer before InstrumentedPCA, or "
                    "pass a larger n_init."
                )
        return True

    def _check_factors(self, given: Float64Array, names: list[Hashable]) -> None:
        """Raise if there are fewer dates than factors, or the given ones are collinear."""
        t, m = given.shape
        if t < self._n_latent + m:
            beside = f" and {m} beside them (observed ones, alphas)" if m else ""
            raise ValueError(
                f"n_components={self._n_latent} latent factors{beside} need as many dates, and "
                f"{t} have enough rows. Use fewer components, or more dates (partial_fit: in the "
                "first call)."
            )
        if m:
            dependent = dependent_columns(given.T @ given / t)
            if dependent:
                both = ["alphas (fit_alpha)", *names] if self.fit_alpha else names
                raise ValueError(
                    f"The factors {[both[i] for i in dependent]} are collinear, or zero, over the "
                    f"{t} dates of the fit. Drop some; alphas are a factor of ones."
                )

    @single_blas_thread
    def _solve(self, sums: DateSums, given: Float64Array, start: Float64Array | None) -> Fitted:
        """The best of the optima that the starts lead to."""
        problem = Problem(sums, given, self._n_latent)
        starts = [problem.start() if start is None else start]
        if start is None and given.shape[1]:  # from the optimum when nothing is given
            alone = Problem(sums, given[:, :0], self._n_latent)
            first = alone.solve(alone.start(), self.max_iter, _FIRST_TOLERANCE)
            nothing = np.zeros((len(first.coefficients), given.shape[1]))
            starts = [np.hstack([first.coefficients, nothing])]
        rng = random_source(self.random_state)
        for _ in range(self.n_init - 1):
            drawn = rng.normal(size=(problem.n_columns, self._n_latent))
            nothing = np.zeros((problem.n_columns, given.shape[1]))
            starts.append(np.hstack([np.linalg.qr(drawn)[0], nothing]))
        try:
            return max(
                (problem.solve(each, self.max_iter, self.tol) for each in starts),
                key=lambda found: found.value,
            )
        except np.linalg.LinAlgError as error:
            raise ValueError(
                "The exposures to the factors are collinear on some date: characteristics do not "
                "vary enough there. Use fewer components, a larger min_assets, or ridge=1e-6."
            ) from error

    @single_blas_thread
    def _describe(
        self,
        taken: DateSums,
        coefficients: Float64Array,
        latent: Float64Array,
        given: Float64Array,
        used: BoolArray,
    ) -> None:
        """Store R squared and the table of the dates."""
        means = np.broadcast_to(latent.mean(axis=0), latent.shape)
        shares = [
            explained_shares(taken, coefficients, np.hstack([factors, given]))
            for factors in (latent, means)
        ]
        self.r2_ = pd.DataFrame(shares, ["total", "predictive"], ["assets", "managed"])
        gamma = coefficients[:, : self._n_latent]
        condition = np.full(len(used), np.nan)
        if np.isfinite(gamma).all():
            values = np.linalg.eigvalsh(gamma.T @ taken.moments @ gamma)
            with np.errstate(divide="ignore"):
                condition[used] = values[:, -1] / np.maximum(values[:, 0], 0.0)
        self.cross_sections_ = pd.DataFrame(
            {"n_assets": self._sums.n_rows, "condition_number": condition}, self.dates_
        )

    def _paths(self) -> Float64Array:
        """Coefficients (T, L) of the characteristics on each date, Gamma h_t."""
        observed = self._observed.to_numpy(dtype=np.float64)
        paths = self.factors_.to_numpy() @ self.gamma_.to_numpy().T + self.gamma_alpha_.to_numpy()
        return np.asarray(paths + observed @ self.gamma_observed_.to_numpy().T)

    def _times(self, values: FloatArray, coefficients: Float64Array) -> Float64Array:
        """Characteristics, with the constant, times coefficients (L,) or (L, m)."""
        product = values @ coefficients[: self.n_features_in_]
        if self.add_constant:
            product = product + coefficients[-1]
        return np.asarray(product, dtype=np.float64)

    def predict(self, X: ArrayLike) -> Float64Array:
        """Expected returns, at the average factors; no returns are needed.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics of any rows, of any dates.

        Returns
        -------
        ndarray of shape (n_rows,)
            In decimals; NaN where a characteristic is.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        return self._times(values, self._expected_coefficients())

    def _expected_coefficients(self) -> Float64Array:
        gammas = np.hstack([self.gamma_.to_numpy(), self.gamma_observed_.to_numpy()])
        return np.asarray(self.gamma_alpha_.to_numpy() + gammas @ self.premia_.to_numpy())

    def expected_returns(self, characteristics: Any) -> pd.Series:
        """Expected returns of any assets, labelled.

        Parameters
        ----------
        characteristics : DataFrame or array of shape (n_assets, n_features)
            With the names of `fit`, in any order if they are text.

        Returns
        -------
        Series of shape (n_assets,)
            In decimals, labelled like the rows.
        """
        check_is_fitted(self)
        if (
            isinstance(characteristics, pd.DataFrame)
            and has_text_names(characteristics)
            and set(characteristics.columns) == set(self._names)
        ):
            characteristics = characteristics[self._names]
        expected = self.predict(characteristics)
        index: pd.Index = pd.RangeIndex(len(expected))
        if isinstance(characteristics, pd.DataFrame):
            index = characteristics.index
        return pd.Series(expected, index, name="expected_return")

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R squared of `predict` over the rows without NaN.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.

        Returns
        -------
        float
        """
        expected = self.predict(X)
        target = validate_target(self, X, y).reshape(-1)
        weights = check_row_weights(sample_weight, X, len(target), "sample_weight")
        known = np.isfinite(target) & np.isfinite(expected)
        if not known.any():
            return float("nan")
        kept = None if weights is None else weights[known]
        return float(r2_score(target[known], expected[known], sample_weight=kept))

    def total_r2(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
        *,
        assets: str = "held-out",
        random_state: RandomState = 0,
    ) -> float:
        """Share of the returns that the factors of the same dates explain, not centred.

        Parameters
        ----------
        X, y, sample_weight, dates
            As in `fit`, the rows of any dates.
        factors : DataFrame, optional
            Observed factors of these dates; by default those that `fit` had.
        assets : {"held-out", "all"}, default="held-out"
            ``"held-out"``: latent factors from one half of the assets explain the returns of the
            other half, and the other way round. ``"all"``: of the returns that they explain, so
            that more latent factors explain more whatever they are.
        random_state : int, RandomState instance or None, default=0
            Decides the halves.

        Returns
        -------
        float
            NaN if no date has enough rows.

        Raises
        ------
        ValueError
            As in `fit`, or if ``assets`` is unknown.
        """
        check_is_fitted(self)
        if not is_one_of(assets, ("held-out", "all")):
            raise ValueError(f"assets={assets!r} is unknown; it is 'held-out' or 'all'.")
        rows = self._read_rows(X, y, sample_weight, dates, reset=False)
        read = self._sums_as_in_fit(rows, self._factors if factors is None else factors)
        halves = [read.sums, read.sums]
        if assets == "held-out":
            halves = rows.halves(random_source(random_state))
        fewest = max(self.min_assets or 1, self.gamma_.shape[1])
        used: BoolArray = (halves[0].n_rows >= fewest) & (halves[1].n_rows >= fewest)
        if not used.any():
            return float("nan")
        coefficients, given = self._model(read.factors[used])
        first, second = (half.take(used).with_ridge(self.ridge) for half in halves)
        left = held_out_squares(first, second, coefficients, given, self.gamma_.shape[1])
        return float(1.0 - left / (first.squares.sum() + second.squares.sum()))

    @property
    def _n_features_out(self) -> int:
        return int(self.gamma_.shape[1] + self.gamma_observed_.shape[1])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Any:
        """Names of the factors: instrumentedpca0, ..., and those of the observed ones.

        Parameters
        ----------
        input_features : array-like of str or None
            Names of the characteristics, which are only checked.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        feature_names_in(self, input_features)
        return np.array([str(name) for name in self.premia_.index], dtype=object)

    def transform(self, X: ArrayLike) -> Any:
        """Exposures of each row to the factors.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics of any rows.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_components + n_observed)
            With the index of X; NaN where a characteristic is.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        gammas = np.hstack([self.gamma_.to_numpy(), self.gamma_observed_.to_numpy()])
        exposures = self._times(values, gammas).astype(values.dtype, copy=False)
        return like_input(self, X, exposures, list(self.get_feature_names_out()))

    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> Any:
        """Fit and transform the same rows; see `fit` and `transform` for the parameters."""
        return self.fit(X, y, sample_weight, dates, factors).transform(X)

    def factor_returns(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> pd.DataFrame:
        """Latent factors of any dates, given the coefficients of `fit`.

        Parameters
        ----------
        X, y, sample_weight, dates, factors
            As in `fit`, the rows of any dates.

        Returns
        -------
        DataFrame of shape (n_dates, n_components)
            NaN on dates with too few rows.
        """
        check_is_fitted(self)
        rows = self._read_rows(X, y, sample_weight, dates, reset=False)
        read = self._sums_as_in_fit(rows, factors)
        sums, labels, observed = read.sums, read.dates, read.observed
        k = self.gamma_.shape[1]
        used = sums.n_rows >= max(self.min_assets or 1, k)
        out = np.full((len(sums), k), np.nan)
        if used.any():
            coefficients, given = self._model(observed.to_numpy(dtype=np.float64)[used])
            problem = Problem(sums.take(used).with_ridge(self.ridge), given, k)
            out[used] = problem.at(coefficients).latent
        return pd.DataFrame(out, labels, self.gamma_.columns)

    def inference(
        self,
        method: str = "bootstrap",
        *,
        n_draws: int = 1000,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> InstrumentedPCAInference:
        """Tests of alphas, of characteristics and of observed factors, by a wild bootstrap.

        Errors of premia are those of `skfactor.FamaMacBeth` on the exposures that `transform`
        gives, with ``fit_intercept=False``.

        Parameters
        ----------
        method : {"bootstrap"}, default="bootstrap"
            The only one there is.
        n_draws : int, default=1000
            Number of samples; the smallest p-value is 1 / (n_draws + 1).
        random_state : int, RandomState instance or None, default=None
            What decides the samples: an int gives the same p-values each time.
        n_jobs : int or None, default=None
            Number of processes, as in scikit-learn; p-values do not depend on it.

        Returns
        -------
        InstrumentedPCAInference
            With ``alpha_test()``, ``characteristic_tests()`` and ``factor_tests()``.

        Raises
        ------
        ValueError
            If the method is unknown, ``n_draws`` is not a whole number, or nothing was estimated.
        """
        check_is_fitted(self)
        if not is_one_of(method, ("bootstrap",)):
            raise ValueError(f"method={method!r} is unknown; there is 'bootstrap'.")
        if not is_whole(n_draws) or n_draws < 1:
            raise ValueError(f"n_draws={n_draws!r} has to be a whole number from 1 on.")
        if self.gamma_.isna().to_numpy().any() or len(self.dates_) < 2:
            raise ValueError("Tests need estimates from several dates, and there are none.")
        used: BoolArray = self.factors_.notna().to_numpy().all(axis=1)
        coefficients, given = self._model(self._observed.to_numpy(dtype=np.float64)[used])
        return InstrumentedPCAInference(
            self._sums.take(used).with_ridge(self.ridge),
            coefficients,
            given,
            list(self.gamma_.index),
            list(self.gamma_observed_.columns),
            self.gamma_.shape[1],
            bool(self.gamma_alpha_.any()),
            int(n_draws),
            int(random_source(random_state).randint(2**31 - 1)),
            n_jobs,
            self.max_iter,
            self.tol,
        )

    def _model(self, observed: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Coefficients (L, K + M) of latent factors, alphas and observed ones, and given factors.

        Alphas are those of a factor of ones, where there are some.
        """
        parts = [self.gamma_.to_numpy(), self.gamma_observed_.to_numpy()]
        if self.gamma_alpha_.any():
            observed = np.column_stack([np.ones(len(observed)), observed])
            parts.insert(1, self.gamma_alpha_.to_numpy()[:, None])
        return np.hstack(parts), observed

    def slope_portfolios(
        self, X: ArrayLike, dates: RowLabels | None = None, sample_weight: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Weights of the portfolios whose returns are the latent factors.

        On each date the portfolio of a factor has exposure 1 to it and 0 to the other latent ones.
        Without alphas and observed factors their returns are the factors; with them, those of the
        returns less what these explain.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Characteristics.
        dates : array-like of shape (n_rows,) or scalar, optional
            Date of each row, if it is not in the index of X. Without dates all rows are one
            cross-section.
        sample_weight : array-like of shape (n_rows,), optional
            The weights that `fit` had, if any.

        Returns
        -------
        DataFrame of shape (n_rows, n_components)
            With the index of X; 0 for rows that miss a characteristic, NaN on dates that have too
            few others.
        """
        check_is_fitted(self)
        values = validate_features(self, X, reset=False)
        weights = check_row_weights(sample_weight, X, len(values), "sample_weight")
        panel = find_panel(X, n_rows=len(values), dates=dates, date_level=self.date_level)
        segments = one_segment(len(values)) if panel is None else panel.segments
        betas = self._times(values, self.gamma_.to_numpy())
        penalty = np.zeros((betas.shape[1], betas.shape[1]))
        if self.ridge:
            gamma = self.gamma_.to_numpy()
            squares = self.ridge * np.diag(self._sums.mean_moments)
            penalty = gamma.T @ (gamma * squares[:, None])
        out = np.zeros(betas.shape)
        for _, index in rows_of_segments(segments):
            known = np.isfinite(betas[index]).all(axis=1)
            if weights is not None:
                known &= weights[index] > 0.0
            b = betas[index][known]
            w = np.ones(len(b)) if weights is None else weights[index][known]
            found = np.zeros((len(known), betas.shape[1]))
            if len(b) < betas.shape[1]:
                found[:] = np.nan
            else:
                gram = (b * w[:, None]).T @ b + penalty * w.sum()
                found[known] = np.linalg.solve(gram, (b * w[:, None]).T).T
            out[index] = found
        rows = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(values))
        return pd.DataFrame(out, rows, self.gamma_.columns)

    def risk_model(self, X: ArrayLike | None = None) -> RiskModel:
        """Exposures of the rows of one date, covariance of the factors, variances of residuals.

        Parameters
        ----------
        X : DataFrame of shape (n_assets, n_features)
            Characteristics of one date, indexed by asset or by (date, asset).

        Returns
        -------
        RiskModel
            The factors' covariance is over the dates of `fit`, divisor T - 1. Specific variances
            are mean squares of the asset's residuals in `fit`; assets with fewer than 12 of them
            have the median of the others, and a warning names them.

        Raises
        ------
        ValueError
            Without X, if it has several dates or unnamed assets, or after `partial_fit`.
        """
        check_is_fitted(self)
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                "Exposures change with the characteristics: pass those of one date, "
                "model.risk_model(X), a DataFrame indexed by asset or by (date, asset)."
            )
        if self.specific_variances_ is None:
            raise ValueError(
                "Variances of residuals are known after a fit with dates and assets, and not after "
                "partial_fit. Call fit with rows indexed by (date, asset)."
            )
        date, assets = one_cross_section(X, self.date_level)
        exposures = self.transform(pd.DataFrame(X))
        names = list(self.get_feature_names_out())
        known = self.specific_variances_
        enough = known["variance"].where(known["n_dates"] >= _FEWEST_RESIDUALS)
        specific = enough.reindex(assets)
        unknown = specific.isna().to_numpy()
        if unknown.any():
            if not enough.notna().any():
                raise ValueError(
                    f"No asset has {_FEWEST_RESIDUALS} residuals in fit, so that specific "
                    "variances cannot be estimated."
                )
            warn_user(
                f"{int(unknown.sum())} assets have fewer than {_FEWEST_RESIDUALS} residuals in fit "
                f"and get the median specific variance of the others: {list(assets[unknown])[:5]}."
            )
            specific = specific.fillna(enough.median())
        factors = pd.DataFrame(
            np.hstack([self.factors_.to_numpy(), self._observed.to_numpy(dtype=np.float64)]),
            self.dates_,
            names,
        )
        return RiskModel(
            exposures=pd.DataFrame(np.asarray(exposures, dtype=np.float64), assets, names),
            factor_covariance=factors.dropna().cov(),
            specific_variance=specific,
            factor_returns=factors,
            date=date,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def sums_of_rows(
    model: InstrumentedModel,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    dates: RowLabels | None,
    factors: pd.DataFrame | pd.Series | None,
) -> InstrumentedSums:
    """Sums of the dates of some rows, which a model reads that is not fitted."""
    rows = model._read_rows(X, y, sample_weight, dates, reset=True)
    return model._sums_of(rows, factors, report_nothing)
