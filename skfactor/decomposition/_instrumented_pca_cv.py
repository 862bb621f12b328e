"""InstrumentedPCACV: how many latent factors, by held-out assets of held-out dates."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.model_selection import BaseCrossValidator

from skfactor._fitting import fit_task, fitting
from skfactor._kernels.instrumented import DateSums, Problem, explained_squares, held_out_squares
from skfactor._sklearn import HasMethods, Interval, StrOptions
from skfactor._typing import BoolArray, Float64Array, IntArray, RandomState, RowLabels
from skfactor._validation import is_whole, raise_if_empty, random_source
from skfactor.decomposition._instrumented_model import INSTRUMENTED_CONSTRAINTS, InstrumentedModel
from skfactor.decomposition._instrumented_rows import Rows
from skfactor.decomposition._instrumented_sums import InstrumentedSums

_DEFAULT_FOLDS = 5
# Scores need fewer digits than estimates.
_FOLD_TOLERANCE = float("1e-7")


class InstrumentedPCACV(InstrumentedModel):
    """`InstrumentedPCA` with the number of latent factors chosen by cross-validation over dates.

    Coefficients are those of the training dates. Latent factors of a held-out date need its
    returns, and factors that are made of the returns that they explain always explain more if there
    are more of them. So the factors come from one half of the assets and explain the other half,
    and the other way round (bi-cross-validation [1]_).

    Parameters
    ----------
    n_components : int or sequence of int, default=(1, 2, 3, 4, 5, 6, 7, 8)
        Numbers to try; those above the number of characteristics are left out.
    cv : int, splitter, iterable or None, default=None
        Folds of dates: a number of them, each of consecutive dates, None is 5; or a splitter whose
        training and test rows have no date in common, such as
        `skfactor.model_selection.WalkForwardSplit`, or what such a splitter yields.
    scoring : {"held-out-assets", "predictive"}, default="held-out-assets"
        ``"predictive"`` explains all returns of a held-out date by the average factors of the
        training dates: what matters for forecasts, but noisy.
    fit_alpha, add_constant, premia_window, premia_halflife, min_assets
        As in `InstrumentedPCA`.
    n_init, max_iter, tol, ridge
        As in `InstrumentedPCA`.
    random_state : int, RandomState instance or None, default=None
        For the halves of the assets, and random starts.
    missing, date_level
        As in `InstrumentedPCA`.

    Attributes
    ----------
    n_components_ : int
        The number with the largest R squared.
    cv_results_ : DataFrame of shape (n_numbers, 2 + n_folds)
        For each number ``r2``, the share of all held-out returns that is explained, not centred;
        the ``error`` of its average over folds; and that of each fold, ``fold0``, ...
    gamma_, gamma_alpha_, gamma_observed_, factors_, premia_, r2_, managed_portfolios_
        Of the model with this number, fitted to all dates; see `InstrumentedPCA`.
    specific_variances_, cross_sections_, n_iter_, converged_, dates_
        The same.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    skfactor.metrics.total_r2_scorer : The same score for searches over anything else.

    References
    ----------
    .. [1] Owen, A. B. and P. O. Perry (2009), "Bi-Cross-Validation of the SVD and the Nonnegative
       Matrix Factorization", Annals of Applied Statistics 3(2), 564-594.
       https://doi.org/10.1214/08-AOAS227

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skfactor import FactorRanker, InstrumentedPCACV
    >>> from skfactor.datasets import make_panel
    >>> X, y = make_panel(60, 50, 4, random_state=0, return_X_y=True)
    >>> pipe = make_pipeline(FactorRanker(), InstrumentedPCACV(range(1, 4), random_state=0))
    >>> pipe.fit(X, y)[-1].cv_results_.shape
    (3, 7)
    """

    _parameter_constraints: ClassVar = {
        **INSTRUMENTED_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left"), "array-like", range],
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
            Iterable,
            None,
        ],
        "scoring": [StrOptions({"held-out-assets", "predictive"})],
    }

    n_components_: int

    def __init__(
        self,
        n_components: int | ArrayLike = (1, 2, 3, 4, 5, 6, 7, 8),
        *,
        cv: int | BaseCrossValidator | Iterable[Any] | None = None,
        scoring: str = "held-out-assets",
        fit_alpha: bool = False,
        add_constant: bool = True,
        premia_window: int | None = None,
        premia_halflife: float | None = None,
        min_assets: int | None = None,
        n_init: int = 1,
        max_iter: int = 200,
        tol: float = 1e-10,
        ridge: float = 0.0,
        random_state: RandomState = None,
        missing: str = "drop",
        date_level: str | int | None = "auto",
    ) -> None:
        self.n_components = n_components
        self.cv = cv
        self.scoring = scoring
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

    @property
    def _n_latent(self) -> int:
        return self.n_components_

    @fitting(one_task=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        factors: pd.DataFrame | pd.Series | None = None,
    ) -> Self:
        """Choose the number of latent factors, and fit the model with it to all dates.

        Parameters
        ----------
        X, y, sample_weight, dates, factors
            As in `InstrumentedPCA.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If no number can be tried, folds share dates, there are too few dates for the folds, or
            as in `InstrumentedPCA.fit`.

        Warns
        -----
        RankDeficientWarning, ConvergenceWarning, UserWarning, NoDatesWarning
            As `InstrumentedPCA.fit`, of the model with the chosen number.
        """
        rows = self._read_rows(X, y, sample_weight, dates, reset=True)
        raise_if_empty(rows.returns)
        self._factors = factors
        with fit_task(self, X, y, len(rows.segments), "date") as done:
            read = self._sums_of(rows, factors, done)
            numbers = self._numbers(len(read.names))
            self.n_components_ = numbers[0]
            self.cv_results_ = None
            if rows.panel is not None and len(read.dates) > 1:
                self.cv_results_ = self._cross_validate(X, y, rows, read, numbers)
                best = int(np.argmax(self.cv_results_["r2"].to_numpy()))
                self.n_components_ = numbers[best]
            self._finish(read, None)
            self.specific_variances_ = rows.specific_variances(self._paths())
        return self

    def _numbers(self, n_characteristics: int) -> list[int]:
        """Numbers of latent factors to try, ascending."""
        given = self.n_components
        numbers = list(np.atleast_1d(np.asarray(given)))
        if not numbers or not all(is_whole(each) and each >= 1 for each in numbers):
            raise ValueError(f"n_components={given!r} has to hold whole numbers from 1 on.")
        possible = sorted({int(each) for each in numbers if each <= n_characteristics})
        if not possible:
            raise ValueError(
                f"n_components={given!r} are all more than the {n_characteristics} characteristics "
                "of X (with the constant). Pass smaller ones."
            )
        return possible

    def _cross_validate(
        self, X: ArrayLike, y: ArrayLike, rows: Rows, read: InstrumentedSums, numbers: list[int]
    ) -> pd.DataFrame:
        """R squared of each number over the held-out dates, and of each fold."""
        halves = rows.halves(random_source(self.random_state))
        # The same dates for all numbers.
        fewest = max(self.min_assets or 1, numbers[-1])
        usable: BoolArray = np.minimum(halves[0].n_rows, halves[1].n_rows) >= fewest
        given = read.factors
        if self.fit_alpha:
            given = np.column_stack([np.ones(len(given)), given])
        left, squares = [], []
        for train, test in self._folds(X, y, rows, len(read.dates)):
            train, test = train & usable, test & usable
            if train.sum() < 2 or not test.any():
                raise ValueError(
                    f"A fold has {int(train.sum())} training and {int(test.sum())} test dates with "
                    f"{fewest} complete rows in each half of the assets. Use fewer folds or "
                    "components."
                )
            taken = read.sums.take(train).with_ridge(self.ridge)
            held = [half.take(test).with_ridge(self.ridge) for half in halves]
            try:
                fits = [self._fit_fold(taken, given[train], number) for number in numbers]
                errors = [
                    self._left(held, number, *fit, given[test])
                    for number, fit in zip(numbers, fits, strict=True)
                ]
            except np.linalg.LinAlgError as error:
                raise ValueError(
                    "The exposures to the factors, or the characteristics, are collinear in a "
                    "fold. Use fewer components, a larger min_assets, or ridge=1e-6."
                ) from error
            left.append(errors)
            squares.append(sum(float(half.squares.sum()) for half in held))
        return _results(np.array(left).T, np.array(squares), numbers)

    def _fit_fold(
        self, sums: DateSums, given: Float64Array, number: int
    ) -> tuple[Float64Array, Float64Array]:
        """Coefficients, and average latent factors, of the training dates."""
        problem = Problem(sums, given, number)
        found = problem.solve(problem.start(), self.max_iter, max(self.tol, _FOLD_TOLERANCE))
        return found.coefficients, found.latent.mean(axis=0)

    def _left(
        self,
        held: list[DateSums],
        number: int,
        coefficients: Float64Array,
        premia: Float64Array,
        given: Float64Array,
    ) -> float:
        """Squares of the held-out returns that are not explained."""
        if self.scoring == "held-out-assets":
            return held_out_squares(held[0], held[1], coefficients, given, number)
        latent = np.broadcast_to(premia, (len(given), number))
        paths = np.hstack([latent, given]) @ coefficients.T
        return sum(float(half.squares.sum()) - explained_squares(half, paths) for half in held)

    def _folds(
        self, X: ArrayLike, y: ArrayLike, rows: Rows, n_dates: int
    ) -> Iterable[tuple[BoolArray, BoolArray]]:
        """Masks of the training and the test dates of each fold."""
        assert rows.panel is not None
        if self.cv is None or is_whole(self.cv):
            n_folds = _DEFAULT_FOLDS if self.cv is None else int(self.cv)  # type: ignore[arg-type]  # just checked
            if n_folds > n_dates:
                raise ValueError(f"cv={n_folds} folds need as many dates; found {n_dates}.")
            for places in np.array_split(np.arange(n_dates), n_folds):
                test = _mask(places, n_dates)
                yield ~test, test
            return
        splits = self.cv.split(X, y) if hasattr(self.cv, "split") else self.cv
        codes = rows.panel.dates.codes
        for train_rows, test_rows in splits:  # type: ignore[union-attr]  # no number, as just checked
            train, test = (_mask(codes[each], n_dates) for each in (train_rows, test_rows))
            if (train & test).any():
                raise ValueError(
                    f"{int((train & test).sum())} dates are in the training and the test rows of a "
                    "fold. Split by date, as skfactor.model_selection.WalkForwardSplit does."
                )
            yield train, test


def _mask(places: IntArray, n_dates: int) -> BoolArray:
    mask = np.zeros(n_dates, dtype=bool)
    mask[places] = True
    return mask


def _results(left: Float64Array, squares: Float64Array, numbers: list[int]) -> pd.DataFrame:
    """R squared (n_numbers,) over all folds, its error, and that of each fold."""
    by_fold = 1.0 - left / squares
    n_folds = len(squares)
    error = np.full(len(numbers), np.nan)
    if n_folds > 1:
        error = by_fold.std(axis=1, ddof=1) / np.sqrt(n_folds)
    table = {"r2": 1.0 - left.sum(axis=1) / squares.sum(), "error": error}
    table |= {f"fold{k}": by_fold[:, k] for k in range(n_folds)}
    return pd.DataFrame(table, pd.Index(numbers, name="n_components"))
