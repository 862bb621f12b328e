"""InstrumentedPCA: latent factors whose exposures are functions of characteristics."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skfactor._calendar import rows_of_dates
from skfactor._dates import append_dates, calendar_positions
from skfactor._fitting import fit_task, fitting
from skfactor._kernels.instrumented import (
    DateSums,
    Fitted,
    Problem,
    date_sums,
    dependent_columns,
    explained_shares,
)
from skfactor._kernels.segments import Segments, one_segment
from skfactor._kernels.threads import Done, report_nothing
from skfactor._limits import single_blas_thread
from skfactor._panel import Panel, find_panel, raise_if_one_row_a_date
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
from skfactor._typing import BoolArray, Float64Array, FloatArray, RowLabels
from skfactor._undated import warn_undated
from skfactor._validation import (
    check_row_weights,
    feature_names,
    has_text_names,
    like_input,
    numbers,
    raise_if_empty,
    raise_if_missing,
    raise_if_repeated,
    validate_features,
    validate_target,
)
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning

# Sizes of a characteristic in the tenth and the ninetieth of a hundred dates that differ by more
# than this factor, squared, are said to move; fewer rows per date than this do not tell.
_SCALE_MOVES, _ENOUGH_ROWS = 9.0, 30
# Fewest residuals of an asset that its variance is estimated from.
_FEWEST_RESIDUALS = 12
# Where a fit without alphas and observed factors is stopped, from which that with them starts.
_FIRST_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class _Rows:
    """Validated rows of a panel."""

    features: FloatArray  # (n_rows, L) characteristics
    returns: Float64Array  # (n_rows,)
    weights: Float64Array | None  # (n_rows,)
    panel: Panel | None

    @property
    def segments(self) -> Segments:
        return one_segment(len(self.features)) if self.panel is None else self.panel.segments


class InstrumentedPCA(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    RegressorMixin,  # type: ignore[misc]
    Estimator,
):
    r"""Latent factors whose exposures are linear in characteristics (IPCA).

    .. math:: r_{it} = z_{it}' (\Gamma_\alpha + \Gamma_\beta f_t + \Gamma_\delta g_t) + e_{it}

    Characteristics z, known before the return r, tell how an asset loads on K factors f that are
    not observed; coefficients :math:`\Gamma` and factors are those that leave the smallest sum of
    squares over all rows of the panel [1]_. Assets may enter and leave, and change.

    Parameters
    ----------
    n_components : int, default=1
        Number of latent factors.
    fit_alpha : bool, default=False
        Whether expected returns may depend on characteristics beyond the exposures,
        :math:`\Gamma_\alpha`.
    add_constant : bool, default=True
        Whether to add a characteristic ``"const"`` that is 1.
    premia_window : int or None, default=None
        Average the factors over the last so many dates only.
    premia_halflife : float or None, default=None
        Weigh the factors exponentially: half the weight for every so many dates back.
    min_assets : int or None, default=None
        Fewest complete rows of a date; thinner dates are left out. None is ``n_components``.
    n_init : int, default=1
        Number of starts, of which the best is kept; the first is the solution for characteristics
        whose second moments do not vary, the others are random.
    max_iter : int, default=200
        Most steps from a start.
    tol : float, default=1e-10
        Size of the gradient, relative to its parts, that ends the steps.
    ridge : float, default=0.0
        Share of its average square that is added to each characteristic's own square on every
        date, as if there were assets without a return that have this characteristic alone. It
        makes collinear characteristics estimable.
    random_state : int, RandomState instance or None, default=None
        For the random starts.
    missing : {"drop", "raise"}, default="drop"
        ``"drop"`` leaves out rows that miss a characteristic or the return.
    date_level : str, int or None, default="auto"
        Name or position of the date level of a (date, asset) index. None says that the rows have no
        dates; with dates it raises.

    Attributes
    ----------
    gamma_ : DataFrame of shape (n_characteristics, n_components)
        Coefficients of the exposures; orthonormal columns.
    gamma_alpha_ : Series of shape (n_characteristics,)
        Coefficients of alphas, orthogonal to ``gamma_``; zero without ``fit_alpha``.
    gamma_observed_ : DataFrame of shape (n_characteristics, n_observed)
        Coefficients of the exposures to the factors that were passed, orthogonal to ``gamma_``.
    factors_ : DataFrame of shape (n_dates, n_components)
        Latent factors, uncorrelated about zero, the largest first, with positive means. NaN on
        dates that were left out.
    premia_ : Series of shape (n_components + n_observed,)
        Their averages, and those of the factors that were passed.
    r2_ : DataFrame
        Explained shares of the sum of squares, of assets and of ``managed`` portfolios: ``total``,
        and ``predictive`` with the latent factors at their averages.
    managed_portfolios_ : DataFrame of shape (n_dates, n_characteristics)
        Average returns weighted by each characteristic.
    specific_variances_ : DataFrame of shape (n_assets, 2) or None
        ``variance``, the mean square of each asset's residuals, and ``n_dates``, how many there
        are. None where assets are not known.
    cross_sections_ : DataFrame
        For each date ``n_assets`` and the ``condition_number`` of the exposures' cross-products.
    n_iter_ : int
        Steps that were made.
    converged_ : bool
        Whether the gradient is below ``tol``.
    dates_ : Index of shape (n_dates,)
        All dates of the fit, ascending.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    RiskPremiumPCA : Latent factors with constant exposures, of wide returns.
    skfactor.FamaMacBeth : Characteristics are the exposures themselves.

    Notes
    -----
    The model is the same for every linear transformation of the characteristics, exposures and
    factors are not: bring characteristics to one scale on every date first, as
    `skfactor.FactorRanker` does; the authors use ranks from -1/2 to 1/2. Where their scale moves
    over time there are local optima, of which ``n_init`` finds more.

    Of each date only the averages of z r and of z z' matter. Latent factors are eliminated, and
    the explained sum of squares is maximized over the space that the columns of
    :math:`\Gamma_\beta` span: a few sweeps of alternating least squares, then Newton's method.

    No lag is applied: a row has the characteristics that were known before its return.

    References
    ----------
    .. [1] Kelly, B. T., S. Pruitt and Y. Su (2019), "Characteristics Are Covariances: A Unified
       Model of Risk and Return", Journal of Financial Economics 134(3), 501-524.
       https://doi.org/10.1016/j.jfineco.2019.05.001

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorRanker, InstrumentedPCA
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(60, 50, 4, random_state=0, return_X_y=True)
    >>> model = make_pipeline(FactorRanker(), InstrumentedPCA(2)).fit(X, y)
    >>> model[-1].gamma_.shape
    (5, 2)
    >>> model.predict(X).shape == y.shape
    True
    """

    __metadata_request__fit: ClassVar = {"dates": True, "factors": True}
    __metadata_request__partial_fit: ClassVar = {"dates": True, "factors": True}
    _parameter_constraints: ClassVar = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
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

    n_features_in_: int
    dates_: pd.Index
    gamma_: pd.DataFrame
    gamma_alpha_: pd.Series
    gamma_observed_: pd.DataFrame
    factors_: pd.DataFrame
    premia_: pd.Series

    def __init__(
        self,
        n_components: int = 1,
        *,
        fit_alpha: bool = False,
        add_constant: bool = True,
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        n_init: int = 1,
        max_iter: int = 200,
        tol: float = 1e-10,
        ridge: float = 0.0,
        random_state: Any = None,
        missing: str = "drop",
        date_level: str | int | None = "auto",
    ) -> None:
        self.n_components = n_components
        self.fit_alpha = fit_alpha
        self.add_constant = add_constant
        self.premia_window = premia_window
        self.premia_halflife = premia_halflife
        self.min_assets = min_assets
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.ridge = ridge
        self.random_state = random_state
        self.missing = missing
        self.date_level = date_level

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
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            sums, labels, observed = self._sums_of(rows, factors, done)
            self._has_dates = rows.panel is not None
            self._finish(sums, labels, observed, None)
            self.specific_variances_ = self._specific_variances(rows)
        return self

    @fitting(forget=False, one_task=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> Self:
        """Add whole dates to those of earlier calls, for a panel that is not in memory at once.

        The optimum is that of one `fit` to all dates, up to ``tol``; steps start from that of the
        earlier calls. Variances of single assets are not kept: `risk_model` needs a `fit`.

        Parameters
        ----------
        X, y, sample_weight, dates, factors
            As in `fit`, the rows of dates that no earlier call had.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a date came in an earlier call, or as in `fit`.
        """
        earlier = hasattr(self, "gamma_")
        rows = self._read_rows(X, y, sample_weight, dates, reset=not earlier)
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            sums, labels, observed = self._sums_of(rows, factors, done)
            start = None
            if earlier:
                start = self._check_earlier(rows, observed)
                sums = self._sums.join(sums)
                observed = pd.concat([self._observed, observed], ignore_index=True)
                labels = (
                    append_dates(self.dates_, labels)
                    if self._has_dates
                    else pd.RangeIndex(len(sums))
                )
                order = np.asarray(labels.argsort())
                sums, labels = sums.take(order), labels[order]
                observed = observed.iloc[order]
            self._has_dates = rows.panel is not None
            self._finish(sums, labels, observed, start)
            self.specific_variances_ = None
        return self

    def _check_earlier(self, rows: _Rows, observed: pd.DataFrame) -> Float64Array | None:
        """Coefficients to start from; raise if the call is of another model."""
        if self._has_dates != (rows.panel is not None):
            raise ValueError(
                "Earlier calls had dates and the rows have none here, or the other way round. "
                "Index X or y by (date, asset) in every call, or pass dates=."
            )
        if list(observed.columns) != list(self._observed.columns):
            raise ValueError(
                f"Earlier calls had the factors {list(self._observed.columns)}, and the factors "
                f"are {list(observed.columns)} here."
            )
        if len(self.gamma_) != self.n_features_in_ + self.add_constant:
            raise ValueError("add_constant was changed after dates had been fitted.")
        if self.gamma_.shape[1] != self.n_components:
            return None
        parts = [self.gamma_.to_numpy()]
        if self.fit_alpha:
            parts.append(self.gamma_alpha_.to_numpy()[:, None])
        return np.hstack([*parts, self.gamma_observed_.to_numpy()])

    def _read_rows(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        dates: RowLabels | None,
        *,
        reset: bool,
    ) -> _Rows:
        values = validate_features(self, X, reset=reset)
        target = validate_target(self, X, y)
        if target.ndim == 2 and target.shape[1] > 1:
            raise ValueError(
                f"y has {target.shape[1]} columns, one an asset: InstrumentedPCA takes panels, "
                "with characteristics in X and returns in one column of y. RiskPremiumPCA finds "
                "the factors of wide returns."
            )
        if target.ndim == 2:
            warn_user(
                "A column-vector y was passed when a 1d array was expected. Pass y.squeeze().",
                DataConversionWarning,
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
        return _Rows(values, target.reshape(-1), weights, panel)

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
        self, rows: _Rows, factors: Any, done: Done
    ) -> tuple[DateSums, pd.Index, pd.DataFrame]:
        """Sums of the dates of some rows, the dates, and the observed factors on them."""
        segments = rows.segments
        sums = date_sums(
            rows.features,
            rows.returns,
            rows.weights,
            segments,
            add_constant=self.add_constant,
            done=done,
        )
        labels: pd.Index = pd.RangeIndex(len(segments))
        if rows.panel is not None:
            labels = rows.panel.dates.labels
        return sums, labels, self._look_up(factors, labels, rows.panel is not None)

    def _look_up(self, factors: Any, labels: pd.Index, has_dates: bool) -> pd.DataFrame:
        """Observed factors (T, M) on some dates."""
        if factors is None:
            return pd.DataFrame(index=pd.RangeIndex(len(labels)))
        if isinstance(factors, pd.Series):
            factors = factors.to_frame()
        if not isinstance(factors, pd.DataFrame):
            raise ValueError(
                f"factors is a {type(factors).__name__}; pass a DataFrame with the dates in its "
                "index, one row per date."
            )
        if not has_dates:
            raise ValueError(
                "factors= are looked up by date, and the rows have none. Index X or y by (date, "
                "asset), or pass dates=."
            )
        raise_if_repeated(factors.columns, "factors")
        index = factors.index
        if pd.api.types.is_integer_dtype(labels) and pd.api.types.is_integer_dtype(index):
            # Numbers are dates here, whatever they are called.
            index = pd.Index(index.to_numpy(), name="date")
        places = rows_of_dates(index, labels, ("factors", "X"))
        values = numbers(factors, "factors")[places]
        missing: BoolArray = np.asarray(np.isnan(values).any(axis=1))
        if missing.any():
            first = labels[missing][0]
            raise ValueError(f"factors has missing values, first on {first}. Fill or drop them.")
        return pd.DataFrame(values, columns=factors.columns)

    def _finish(
        self,
        sums: DateSums,
        labels: pd.Index,
        observed: pd.DataFrame,
        start: Float64Array | None,
    ) -> None:
        """Fit to the sums of all dates, and store what follows."""
        names = [*self._names, "const"] if self.add_constant else list(self._names)
        is_solvable = self._check_sums(sums, labels, names)
        used: BoolArray = sums.n_rows >= max(self.min_assets or 1, self.n_components)
        given = observed.to_numpy(dtype=np.float64)
        if self.fit_alpha:
            given = np.column_stack([np.ones(len(sums)), given])
        taken = sums.take(used)
        if is_solvable:
            fitted = self._solve(taken.with_ridge(self.ridge), given[used], start)
        else:
            shape = (len(names), self.n_components + given.shape[1])
            nothing = np.full((len(taken), self.n_components), np.nan)
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
        k, rows = self.n_components, pd.Index(names, tupleize_cols=False)
        columns = [f"instrumentedpca{i}" for i in range(k)]
        coefficients = fitted.coefficients
        self._sums, self._observed = sums, observed
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
        if self.n_components > len(names):
            raise ValueError(
                f"n_components={self.n_components} is more than the {len(names)} characteristics "
                "of X (with the constant). Pass fewer."
            )
        fewest = max(self.min_assets or 1, self.n_components)
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
        taken = sums.take(~thin)
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

    def _solve(self, sums: DateSums, given: Float64Array, start: Float64Array | None) -> Fitted:
        """The best of the optima that the starts lead to."""
        problem = Problem(sums, given, self.n_components)
        starts = [problem.start() if start is None else start]
        if start is None and given.shape[1]:  # from the optimum when nothing is given
            alone = Problem(sums, given[:, :0], self.n_components)
            first = alone.solve(alone.start(), self.max_iter, _FIRST_TOLERANCE)
            nothing = np.zeros((len(first.coefficients), given.shape[1]))
            starts = [np.hstack([first.coefficients, nothing])]
        rng = check_random_state(self.random_state)
        for _ in range(self.n_init - 1):
            drawn = rng.normal(size=(problem.n_columns, self.n_components))
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

    def _describe(
        self,
        taken: DateSums,
        coefficients: Float64Array,
        latent: Float64Array,
        given: Float64Array,
        used: Any,
    ) -> None:
        """Store R squared and the table of the dates."""
        means = np.broadcast_to(latent.mean(axis=0), latent.shape)
        shares = [
            explained_shares(taken, coefficients, np.hstack([factors, given]))
            for factors in (latent, means)
        ]
        self.r2_ = pd.DataFrame(shares, ["total", "predictive"], ["assets", "managed"])
        gamma = coefficients[:, : self.n_components]
        condition = np.full(len(used), np.nan)
        if np.isfinite(gamma).all():
            values = np.linalg.eigvalsh(gamma.T @ taken.moments @ gamma)
            with np.errstate(divide="ignore"):
                condition[used] = values[:, -1] / np.maximum(values[:, 0], 0.0)
        self.cross_sections_ = pd.DataFrame(
            {"n_assets": self._sums.n_rows, "condition_number": condition}, self.dates_
        )

    def _specific_variances(self, rows: _Rows) -> pd.DataFrame | None:
        """Mean squared residual and number of residuals of each asset; None without assets."""
        if rows.panel is None or rows.panel.assets is None:
            return None
        assets = rows.panel.assets
        paths = self._paths()
        residuals = np.empty(len(rows.features))
        for s, index in self._blocks(rows.segments):
            fitted = rows.features[index] @ paths[s, : self.n_features_in_]
            residuals[index] = rows.returns[index] - fitted
            if self.add_constant:
                residuals[index] -= paths[s, -1]
        known = np.isfinite(residuals)
        if rows.weights is not None:
            known &= rows.weights > 0.0
        codes = assets.codes[known]
        count = np.bincount(codes, minlength=len(assets))
        squares = np.bincount(codes, residuals[known] ** 2, minlength=len(assets))
        with np.errstate(invalid="ignore"):
            return pd.DataFrame({"variance": squares / count, "n_dates": count}, assets.labels)

    def _paths(self) -> Float64Array:
        """Coefficients (T, L) of the characteristics on each date, Gamma h_t."""
        observed = self._observed.to_numpy(dtype=np.float64)
        paths = self.factors_.to_numpy() @ self.gamma_.to_numpy().T + self.gamma_alpha_.to_numpy()
        return np.asarray(paths + observed @ self.gamma_observed_.to_numpy().T)

    @staticmethod
    def _blocks(segments: Segments) -> Any:
        """Number of each segment and its rows."""
        for s, (start, stop) in enumerate(pairwise(segments.offsets)):
            yield s, slice(start, stop) if segments.order is None else segments.order[start:stop]

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
        sums, labels, observed = self._sums_of(rows, factors, report_nothing)
        if list(observed.columns) != list(self.gamma_observed_.columns):
            raise ValueError(
                f"factors has the columns {list(observed.columns)}, and had "
                f"{list(self.gamma_observed_.columns)} in fit."
            )
        k = self.gamma_.shape[1]
        used = sums.n_rows >= max(self.min_assets or 1, k)
        out = np.full((len(sums), k), np.nan)
        if used.any():
            given = observed.to_numpy(dtype=np.float64)[used]
            parts = [self.gamma_.to_numpy(), self.gamma_observed_.to_numpy()]
            if self.gamma_alpha_.any():
                given = np.column_stack([np.ones(len(given)), given])
                parts.insert(1, self.gamma_alpha_.to_numpy()[:, None])
            problem = Problem(sums.take(used).with_ridge(self.ridge), given, k)
            out[used] = problem.at(np.hstack(parts)).latent
        return pd.DataFrame(out, labels, self.gamma_.columns)

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
        for _, index in self._blocks(segments):
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
        date, assets = None, X.index
        if X.index.nlevels > 1:
            panel = find_panel(X, n_rows=len(X), date_level=self.date_level)
            if panel is None or panel.assets is None or len(panel.dates) > 1:
                raise ValueError("X has several dates; pass the rows of one.")
            date = panel.dates.labels[0]
            assets = panel.assets.labels[panel.assets.codes]
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
