"""FactorSetSearchCV: every set of factors, cross-validated by date from moments read once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter
from statsmodels.iolib.summary import Summary

from skfactor._fitting import fit_task, fitting
from skfactor._panel import check_same_rows, find_panel, time_index
from skfactor._sklearn import (
    CallbackSupportMixin,
    Estimator,
    HasMethods,
    Interval,
    StrOptions,
)
from skfactor._typing import (
    BoolArray,
    ColumnSets,
    Float64Array,
    IntArray,
    RowLabels,
    ScoringLike,
    SplitterLike,
)
from skfactor._validation import is_among, is_whole, raise_if_repeated
from skfactor._warn import warn_user
from skfactor.exceptions import RankDeficientWarning
from skfactor.linear_model import PooledRegression
from skfactor.model_selection._folds import read_cv
from skfactor.model_selection._panel_sets import DateFolds, SetFits
from skfactor.model_selection._set_choices import (
    Units,
    all_sets,
    backward,
    beam,
    labels_of,
    most_steps,
    read_candidates,
    read_units,
)
from skfactor.model_selection._set_engines import (
    NeedsRowsError,
    RefitSets,
    Sample,
    SetEngine,
    find_scorer,
    moment_engine,
    moment_score,
    panel_engine,
    raise_if_shared,
    read_rows,
)
from skfactor.model_selection._set_moments import DateMoments
from skfactor.model_selection._set_results import (
    TriedSets,
    choose,
    ranked,
    results_table,
    summary_of_search,
)
from skfactor.model_selection._set_tests import (
    ConfidenceSet,
    SuperiorityTest,
    common_losses,
    confidence_set,
    superiority_test,
)
from skfactor.model_selection._walk_forward_split import WalkForwardSplit
from skfactor.preprocessing import FactorSelector


def _can_predict(self: FactorSetSearchCV) -> bool:
    return bool(self.refit)


class FactorSetSearchCV(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn is untyped
    MetaEstimatorMixin,  # type: ignore[misc]
    RegressorMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    Estimator,
):
    """Search the sets of factors, or of characteristics, for the one that does best out of sample.

    What least squares need of a date are the cross-products of its columns, and those are the same
    for every set. They are read once; each set is then fitted on all dates, averaged over the
    training dates of each fold and scored on the tested ones without its rows. The numbers are
    those of refitting each set in each fold.

    Parameters
    ----------
    estimator : estimator
        Model of premia, or a pipeline that ends with one. `skfactor.FamaMacBeth`,
        `skfactor.RidgeFamaMacBeth`, `skfactor.PooledRegression` (panels) and
        `skfactor.TradedFactorModel` (wide) are fitted from moments; others are refitted for each
        set, as are pipelines with a step that looks at several columns or dates together.
    strategy : {"all", "forward", "backward", "beam"}, default="all"
        ``"all"`` tries every set, at most 1,048,576. ``"forward"`` begins with no column and adds
        what scores best, ``"backward"`` begins with all and takes out what is missed least, and
        ``"beam"`` goes forward with the ``beam_width`` best sets of each size.
    max_size, min_size : int, default=None and 1
        Sizes of the sets to choose from. A group counts as one, columns of ``always`` count too.
        None is all columns.
    always : sequence of str, default=()
        Columns in every set.
    groups : dict of lists or list of lists, optional
        Columns that come and go together, such as the dummies of one variable.
    candidates : dict of lists or list of lists, optional
        The sets to try, instead of a strategy; names of a dict name the results.
    beam_width : int, default=10
        Sets of each size that ``strategy="beam"`` goes on with.
    scoring : str, callable or None, default=None
        From moments, for a panel: ``"r2"``, ``"r2_zero"``, ``"ic"``, ``"icir"``,
        ``"neg_mean_squared_error"``, ``"neg_root_mean_squared_error"`` (the pricing error of a row)
        and ``"slope_t"``, the mean over the columns of the t value of the tested dates' slopes, by
        the sign of the training dates' premium. In wide form: ``"cross_sectional_r2"``,
        ``"neg_pricing_rmse"`` and ``"sharpe"``, the Sharpe ratio over the tested dates of the
        factors' portfolio that had the largest one over the training dates. The scorers of
        `skfactor.metrics` of the same names serve too, and None is the estimator's own score.
        Any other score, such as ``rank_ic_scorer``, is that of the ``n_candidates`` sets that are
        best by ``screening``, each refitted.
    cv : splitter, iterable or int, optional
        Folds; `WalkForwardSplit` by default.
    rule : {"best", "one-se"}, default="best"
        ``"one-se"`` chooses the smallest set whose score is within one standard error of the best
        [1]_. Either way the smaller set wins a tie.
    common_rows : bool, default=False
        False: a set is fitted and scored on the rows that are complete in its own columns, as
        refitting it would be; columns that miss different rows cost a reading of the rows for
        each combination of theirs. True: all sets on the rows that are complete in all columns.
    n_candidates : int or None, default=50
        Sets that are refitted for a score that needs rows. None is all of them.
    screening : str, optional
        Score from moments that chooses them: ``"ic"`` by default, in wide form
        ``"cross_sectional_r2"``.
    n_jobs : int, optional
        Sets refitted in parallel.
    refit : bool, default=True
        Whether to fit the best set to all rows, for `predict` and `score`.

    Attributes
    ----------
    results_ : DataFrame of shape (n_sets, n_figures)
        Every set that was tried, the best first, by its columns such as ``"x1 + x3"``. Columns have
        two levels: ``("set", "size")``, ``("set", "n_dates")`` with an estimate among all dates,
        ``("score", "mean")``, ``("score", "std_error")`` and ``("score", "split0")``, ... and
        ``("premium", name)`` of all dates, NaN for columns that are not in the set. In wide form
        ``sharpe2``, the largest squared Sharpe ratio of the factors on all dates, and for
        `skfactor.TradedFactorModel` the ``grs`` test of each set.
    sets_ : list of tuples
        Their columns, in the order of ``results_``.
    n_sets_ : int
        How many sets were tried.
    best_set_ : tuple
        Columns of the chosen set.
    best_score_ : float
        Its mean score over folds. Chosen among ``n_sets_``, it is biased upwards.
    best_estimator_ : estimator
        With ``refit=True``: a clone of the estimator, fitted to these columns of all rows.
    engine_ : {"moments", "refit", "moments, then refit"}
        How sets were fitted.
    reason_ : str
        Why sets were refitted; empty if they were not.
    n_splits_ : int
        Number of folds.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a DataFrame with text for names.

    See Also
    --------
    compare_factor_sets : A few sets side by side, with their pricing tests.
    skfactor.plotting.FactorSetDisplay : Score against size, the best sets, what they share.

    Notes
    -----
    Each date takes (K + 2)^2 numbers, whatever its rows. Sets are swept in the order of a tree, in
    which a set is its prefix swept on one more column, never back. Where collinear columns make a
    date lose digits it is solved again by QR from the triangle of its rows, which is kept of such
    dates; a set that contains them is NaN on the dates on which refitting is.

    References
    ----------
    .. [1] Breiman, L., J. Friedman, R. Olshen and C. Stone (1984), Classification and Regression
       Trees, Wadsworth, section 3.4.3.

    Examples
    --------
    >>> from skfactor import FamaMacBeth
    >>> from skfactor.datasets import make_panel
    >>> from skfactor.model_selection import FactorSetSearchCV, WalkForwardSplit
    >>> X, y = make_panel(random_state=0, return_X_y=True)
    >>> cv = WalkForwardSplit(4, purge=1)
    >>> search = FactorSetSearchCV(FamaMacBeth(), scoring="ic", cv=cv).fit(X, y)
    >>> search.n_sets_
    31
    >>> search.best_set_
    ('x1', 'x2', 'x3', 'x5')
    >>> search.predict(X).shape
    (24000,)
    """

    __metadata_request__fit: ClassVar = {"dates": True}
    _parameter_constraints: ClassVar = {
        "estimator": [HasMethods(["fit", "predict", "get_params"])],
        "strategy": [StrOptions({"all", "forward", "backward", "beam"})],
        "max_size": [Interval(Integral, 1, None, closed="left"), None],
        "min_size": [Interval(Integral, 1, None, closed="left")],
        "always": ["array-like"],
        "groups": [dict, list, tuple, None],
        "candidates": [dict, list, tuple, None],
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "rule": [StrOptions({"best", "one-se"})],
        "common_rows": ["boolean"],
        "n_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "screening": [str, None],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        strategy: str = "all",
        max_size: int | None = None,
        min_size: int = 1,
        always: Sequence[Hashable] = (),
        groups: ColumnSets | None = None,
        candidates: ColumnSets | None = None,
        beam_width: int = 10,
        scoring: ScoringLike | None = None,
        cv: SplitterLike | None = None,
        rule: str = "best",
        common_rows: bool = False,
        n_candidates: int | None = 50,
        screening: str | None = None,
        n_jobs: int | None = None,
        refit: bool = True,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.max_size = max_size
        self.min_size = min_size
        self.always = always
        self.groups = groups
        self.candidates = candidates
        self.beam_width = beam_width
        self.scoring = scoring
        self.cv = cv
        self.rule = rule
        self.common_rows = common_rows
        self.n_candidates = n_candidates
        self.screening = screening
        self.n_jobs = n_jobs
        self.refit = refit

    @fitting(one_task=False, holds_estimators=True)
    def fit(
        self,
        /,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
        **params: object,
    ) -> Self:
        """Search the sets.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Panel: characteristics. Wide: factor returns, one row per period.
        y : array-like of shape (n_rows,) or (n_periods, n_assets)
            Returns, in decimals.
        sample_weight : array-like of shape (n_rows,), optional
            Panel form: weight of each row in its date's regression. Scores do not use it.
        dates : array-like of shape (n_rows,), optional
            Date of each row, if it is not in the index of X or y.
        **params
            Further metadata for the estimator, where metadata routing is enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If columns are unknown or named twice, there are too many sets, a size is more than the
            assets of any date, a fold has a date in train and test, or no set can be estimated.

        Warns
        -----
        RankDeficientWarning
            If some sets cannot be estimated; their scores are NaN.
        """
        if y is None:
            raise ValueError(
                "This FactorSetSearchCV estimator requires y to be passed, but the target y is "
                "None."
            )
        X, y = indexable(X, y)
        check_same_rows(X, y)
        names = _column_names(X)
        given = {"sample_weight": sample_weight, "dates": dates, **params}
        given = {name: value for name, value in given.items() if value is not None}
        splits, fit_params = self._split(X, y, given)
        sample = Sample(X, y, splits, fit_params)
        if not sample.is_wide:
            raise_if_shared(splits, X, y, dates)
        selector = partial(_take, X, names)
        wanted = moment_score(self.scoring, sample.is_wide)
        screen = wanted or self._screening(sample.is_wide)
        engine, self.reason_ = self._engine(sample, screen, selector)
        if wanted is None and not self.reason_:
            self.reason_ = "the score needs rows"
        self._search(
            engine, names, _most_assets(X, y, dates), (X, y), wanted is not None, sample, selector
        )
        self._selector = FactorSelector(list(self.best_set_)).fit(X)
        if self.refit:
            self.best_estimator_ = clone(self.estimator).fit(
                self._selector.transform(X), y, **fit_params
            )
        return self

    def read_moments(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dates: RowLabels | None = None,
    ) -> DateMoments:
        """Moments of some dates of a panel, for `fit_moments`; those of different dates add up.

        Parameters
        ----------
        X, y, sample_weight, dates
            As in `fit`: all rows of some dates.

        Returns
        -------
        DateMoments
            Of the rows that are complete in all columns.

        Raises
        ------
        ValueError
            If rows have no dates or y has one column per asset, the estimator is not fitted from
            moments, or columns miss different rows and ``common_rows=False``.
        """
        self._validate_params()
        if np.ndim(y) == 2 and np.shape(y)[1] > 1:
            raise ValueError("read_moments is for panels, and y has one column per asset. Use fit.")
        names = _column_names(X)
        params = {"sample_weight": sample_weight, "dates": dates}
        model = _model_of(self.estimator)
        try:
            rows, panel = read_rows(self.estimator, X, y, params, clone(self))
        except NeedsRowsError as obstacle:
            raise ValueError(f"Sets cannot be fitted from moments: {obstacle}. Use fit.") from None
        moments = DateMoments.of(rows, panel.dates.labels, names, model.fit_intercept)
        if moments.has_holes and not self.common_rows:
            raise ValueError(
                "Some columns miss rows where others do not, and which rows per set has would need "
                "them all. Impute what is missing, or pass common_rows=True to take the rows that "
                "are complete in all columns."
            )
        return moments

    @fitting(one_task=False, holds_estimators=True)
    def fit_moments(self, moments: DateMoments) -> Self:
        """Search the sets from moments, for a panel that is not in memory at once.

        Parameters
        ----------
        moments : DateMoments
            The sum of what `read_moments` gave for parts of the panel.

        Returns
        -------
        self
            With the numbers of one `fit` to all rows with ``common_rows=True``. There are no rows
            to refit the best set to: ``best_estimator_`` does not exist, and ``results_`` has its
            premia.

        Raises
        ------
        TypeError
            If these are not moments.
        ValueError
            As in `fit`, or if the score needs rows.
        """
        if not isinstance(moments, DateMoments):
            raise TypeError(
                f"moments has to be what read_moments gives; found {type(moments).__name__}."
            )
        score = moment_score(self.scoring, wide=False)
        if score is None:
            raise ValueError(
                f"scoring={self.scoring!r} needs rows, and these are moments. Use a score that "
                "follows from them, such as 'r2_zero' or 'ic', or fit with the rows in memory."
            )
        names, dates = list(moments.names), moments.dates
        frame = pd.DataFrame({"row": 0.0}, index=dates)
        splits = list(self._splitter().split(frame, None, dates))
        folds = DateFolds([train for train, _ in splits], [test for _, test in splits])
        self.n_features_in_ = len(names)
        if all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)
        self.n_splits_, self.reason_ = len(splits), ""
        engine = panel_engine(_model_of(self.estimator), moments, folds, dates, score)
        self._remember_dates(folds)
        most = int(moments.n_rows.max(initial=0))
        self._search(engine, names, most, (None, None), True, None, None)
        self._selector = FactorSelector(list(self.best_set_)).fit(
            pd.DataFrame(np.zeros((1, len(names))), columns=names)
        )
        return self

    # --- the search -------------------------------------------------------------------------------

    def _splitter(self) -> Any:
        return WalkForwardSplit() if self.cv is None else read_cv(self.cv)

    def _split(
        self, X: ArrayLike, y: Any, given: Mapping[str, object]
    ) -> tuple[list[tuple[IntArray, IntArray]], dict[str, Any]]:
        """Folds, and what goes to the estimator's fit."""
        splitter = self._splitter()
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **given)
            split_params, fit_params = dict(routed.splitter.split), dict(routed.estimator.fit)
            if "dates" in given:
                split_params.setdefault("groups", given["dates"])
        else:
            fit_params = dict(given)
            for name in given:
                if not has_fit_parameter(self.estimator, name):
                    raise ValueError(
                        f"The fit of {type(self.estimator).__name__} takes no {name}; only "
                        "metadata routing brings it to the steps of a pipeline. Call "
                        "sklearn.set_config(enable_metadata_routing=True), or pass frames whose "
                        "index has the dates."
                    )
            split_params = {"groups": given.get("dates")}
        splits = list(splitter.split(X, y, **split_params))
        self.n_splits_ = len(splits)
        panel = None
        if not (np.ndim(y) == 2 and np.shape(y)[1] > 1):
            panel = find_panel(X, y, n_rows=len(y), dates=given.get("dates"))
        if panel is None:
            index = time_index(X, y, given.get("dates")) if np.ndim(y) == 2 else None
            codes: IntArray = np.arange(len(y)) if index is None else index.argsort().argsort()
        else:
            codes = np.asarray(panel.dates.codes)
        parts = [(np.unique(codes[train]), np.unique(codes[test])) for train, test in splits]
        self._remember_dates(DateFolds([train for train, _ in parts], [test for _, test in parts]))
        return splits, fit_params

    def _remember_dates(self, folds: DateFolds) -> None:
        self._tested = folds.tests
        pairs = zip(folds.trains, folds.tests, strict=True)
        self._walks_forward = all(train.max() < test.min() for train, test in pairs)

    def _screening(self, wide: bool) -> str:
        name = self.screening or ("cross_sectional_r2" if wide else "ic")
        if moment_score(name, wide) is None:
            raise ValueError(
                f"screening={name!r} does not follow from moments. It has to be a score that does, "
                f"such as {'cross_sectional_r2' if wide else 'ic or r2_zero'}."
            )
        return name

    def _engine(
        self, sample: Sample, score: str, selector: Callable[[BoolArray], object]
    ) -> tuple[SetEngine, str]:
        """What fits and scores sets, and why not from moments."""
        try:
            return moment_engine(self.estimator, sample, score, self.common_rows, self), ""
        except NeedsRowsError as obstacle:
            if self.common_rows:
                raise ValueError(
                    f"common_rows=True needs sets that are fitted from moments: {obstacle}. Drop "
                    "incomplete rows before, and leave common_rows out."
                ) from None
            FactorSelector().fit(sample.X)  # checks the columns
            self.n_features_in_ = np.shape(sample.X)[1]
            names = _column_names(sample.X)
            if all(isinstance(name, str) for name in names):
                self.feature_names_in_ = np.array(names, dtype=object)
            refit = RefitSets(self.estimator, sample, self.scoring, selector, self.n_jobs)
            return refit, str(obstacle)

    def _search(
        self,
        engine: SetEngine,
        names: list[Hashable],
        most_assets: int,
        data: tuple[Any, Any],
        scored: bool,
        sample: Sample | None,
        selector: Callable[[BoolArray], Any] | None,
    ) -> None:
        """Try the sets, and store what came of them."""
        tried = TriedSets(engine)
        labels, units = None, None
        if self.candidates is not None:
            labels, given = self._read_candidates(names)
            with fit_task(self, *data, len(given), "set") as done:
                tried.add(given, done)
        else:
            units = self._read_units(names, most_assets)
            self._walk(units, tried, data)
        members, fits = tried.members_and_fits(units)
        self.n_sets_ = len(members)
        by_moments = not isinstance(engine, RefitSets)
        self.engine_ = "moments" if by_moments else "refit"
        if by_moments and not scored:
            assert sample is not None
            assert selector is not None
            screened = [row.tobytes() for row in members]
            members, fits = self._refit_the_best(members, fits, sample, selector)
            if labels is not None:
                labels = [labels[screened.index(row.tobytes())] for row in members]
            self.engine_ = "moments, then refit"
        self._raise_if_nothing(fits, engine)
        self._engine_used = engine
        self._store(members, fits, names, units, labels)

    def _read_candidates(self, names: list[Hashable]) -> tuple[list[Hashable], BoolArray]:
        for name, default in (("strategy", "all"), ("max_size", None), ("min_size", 1)):
            if getattr(self, name) != default:
                raise ValueError(
                    f"candidates= are the sets to try, and {name}={getattr(self, name)!r} would "
                    "choose others. Pass one of them."
                )
        if self.groups is not None:
            raise ValueError("candidates= name their columns themselves. Leave out groups=.")
        return read_candidates(self.candidates, names, self.always)

    def _read_units(self, names: list[Hashable], most_assets: int) -> Units:
        units = read_units(
            names,
            always=self.always,
            groups=self.groups,
            min_size=self.min_size,
            max_size=self.max_size,
        )
        model = _model_of(self.estimator)
        needed = (self.max_size or 0) + bool(getattr(model, "fit_intercept", False))
        by_date = not isinstance(model, PooledRegression)
        if needed > most_assets and by_date and not getattr(model, "alpha", 0.0):
            raise ValueError(
                f"max_size={self.max_size} needs {needed} assets on a date, and no date has more "
                f"than {most_assets}. Take a smaller max_size."
            )
        return units

    def _walk(self, units: Units, tried: TriedSets, data: tuple[ArrayLike, ArrayLike]) -> None:
        """Try the sets that the strategy leads to."""
        if self.strategy == "all":
            members = units.members(all_sets(units))
            with fit_task(self, *data, len(members), "set") as done:
                tried.add(members, done)
            return
        width = self.beam_width if self.strategy == "beam" else 1
        n_steps = most_steps(units, self.strategy, width)
        with fit_task(self, *data, n_steps, "set") as done:

            def evaluate(chosen: BoolArray) -> Float64Array:
                return tried.add(units.members(chosen), done)

            if self.strategy == "backward":
                backward(units, evaluate)
            else:
                beam(units, evaluate, width)

    def _refit_the_best(
        self,
        members: BoolArray,
        fits: SetFits,
        sample: Sample,
        selector: Callable[[BoolArray], object],
    ) -> tuple[BoolArray, SetFits]:
        """The best sets of a screening with their scores by refitting."""
        screened = fits.scores.mean(axis=1)
        order = np.argsort(-screened, kind="stable")[: self.n_candidates]
        engine = RefitSets(self.estimator, sample, self.scoring, selector, self.n_jobs)
        again = engine.fit(members[order])
        if np.isnan(again.scores).all() and engine.errors:
            raise engine.errors[0]
        kept = fits.take(order)
        extras = kept.extras | {"screening": screened[order]}
        return members[order], replace(
            again, premia=kept.premia, n_dates=kept.n_dates, extras=extras
        )

    def _raise_if_nothing(self, fits: SetFits, engine: SetEngine) -> None:
        failed = ~np.isfinite(fits.scores.mean(axis=1))
        if failed.all():
            if isinstance(engine, RefitSets) and engine.errors:
                raise engine.errors[0]
            raise ValueError(
                f"None of the {len(failed)} sets can be estimated and scored in every fold. Their "
                "columns are collinear or constant, or too few rows are complete: impute what is "
                "missing, or take fewer columns or folds."
            )
        if failed.any():
            warn_user(
                f"{int(failed.sum())} of {len(failed)} sets cannot be estimated or scored in every "
                "fold, and their scores are NaN: collinear columns, too few complete rows, or "
                "nothing to score.",
                RankDeficientWarning,
            )

    def _store(
        self,
        members: BoolArray,
        fits: SetFits,
        names: list[Hashable],
        units: Units | None,
        labels: list[Hashable] | None,
    ) -> None:
        sizes = members.sum(axis=1) if units is None else units.sizes_of_members(members)
        order = ranked(fits.scores.mean(axis=1), sizes)
        text = labels_of(members, names) if labels is None else labels
        members, fits, sizes = members[order], fits.take(order), sizes[order]
        self.results_ = results_table(members, fits, sizes, [text[i] for i in order], names)
        self._members = members
        self.sets_ = [tuple(names[k] for k in np.flatnonzero(row)) for row in members]
        self.best_index_ = place = choose(self.results_, self.rule)
        self.best_set_ = self.sets_[place]
        self.best_score_ = float(self.results_["score", "mean"].iloc[place])

    # --- what follows from it ---------------------------------------------------------------------

    @available_if(_can_predict)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def predict(self, X: ArrayLike) -> Any:
        """Predict with the best set.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            All the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_periods, n_assets)
            Expected returns, in decimals.
        """
        return self._best().predict(self._selector.transform(X))

    @available_if(_can_predict)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Score of the best set on these rows, by ``scoring``.

        Parameters
        ----------
        X, y : array-like
            As in `fit`, of other dates.

        Returns
        -------
        float
        """
        best, chosen = self._best(), self._selector.transform(X)
        scorer = None if self.scoring is None else find_scorer(self.scoring)
        return float(best.score(chosen, y) if scorer is None else scorer(best, chosen, y))

    def transform(self, X: ArrayLike) -> Any:
        """Keep the columns of the best set.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            All the columns of `fit`.

        Returns
        -------
        ndarray or DataFrame of shape (n_rows, n_chosen)
            In the container, order and index of X.
        """
        check_is_fitted(self)
        return self._selector.transform(X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Any:
        """Names of the columns of the best set.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the features where `fit` saw none.

        Returns
        -------
        ndarray of shape (n_chosen,)
        """
        check_is_fitted(self)
        return self._selector.get_feature_names_out(input_features)

    def superior_to(
        self,
        reference: Hashable,
        *,
        method: str = "spa",
        n_draws: int = 1000,
        block_length: int | None = None,
        random_state: int | None = None,
    ) -> SuperiorityTest:
        """Test whether any set that was tried beats a reference, given how many were tried.

        Parameters
        ----------
        reference : str or sequence
            The set that others are compared with, by its label in ``results_`` or its columns.
        method : {"spa", "reality-check"}, default="spa"
            Hansen's test of superior predictive ability [1]_, or White's reality check [2]_, which
            is conservative if poor sets were tried.
        n_draws : int, default=1000
            Draws of the stationary bootstrap of dates.
        block_length : int, optional
            Average length of a block, in dates. By default the whole part of the number of tested
            dates to the power 1/3, at least 1.
        random_state : int, optional
            Seed of the draws.

        Returns
        -------
        SuperiorityTest
            With ``p_value`` of the hypothesis that no set is better than the reference.

        Raises
        ------
        ImportError
            If arch is not installed.
        ValueError
            If the reference was not tried, or sets have no losses.

        Warns
        -----
        UserWarning
            If a fold was trained on dates after those that it tests.

        References
        ----------
        .. [1] Hansen, P. R. (2005), "A Test for Superior Predictive Ability", Journal of Business &
           Economic Statistics 23(4), 365-380. https://doi.org/10.1198/073500105000000063
        .. [2] White, H. (2000), "A Reality Check for Data Snooping", Econometrica 68(5), 1097-1126.
           https://doi.org/10.1111/1468-0262.00152
        """
        place = self._place_of(reference)
        losses, kept = self._losses()
        if place not in kept:
            raise ValueError(f"The reference {reference!r} has no losses: it was not estimated.")
        return superiority_test(
            losses,
            [self.results_.index[i] for i in kept],
            list(kept).index(place),
            method=method,
            n_draws=n_draws,
            block_length=block_length,
            random_state=random_state,
        )

    def model_confidence_set(
        self,
        significance: float = 0.10,
        *,
        n_draws: int = 1000,
        block_length: int | None = None,
        random_state: int | None = None,
    ) -> ConfidenceSet:
        """Sets that the data cannot distinguish from the best.

        Parameters
        ----------
        significance : float, default=0.10
            Probability that the best set is not among them.
        n_draws, block_length, random_state
            As in `superior_to`.

        Returns
        -------
        ConfidenceSet
            With ``included``, the labels of the sets, and the ``p_values`` of all.

        Raises
        ------
        ImportError
            If arch is not installed.
        ValueError
            If there are more than 2,000 sets: sets are taken out one after the other.

        Warns
        -----
        UserWarning
            As in `superior_to`.

        References
        ----------
        .. [1] Hansen, P. R., A. Lunde and J. M. Nason (2011), "The Model Confidence Set",
           Econometrica 79(2), 453-497. https://doi.org/10.3982/ECTA5771
        """
        losses, kept = self._losses(most=2_000)
        return confidence_set(
            losses,
            [self.results_.index[i] for i in kept],
            significance,
            n_draws=n_draws,
            block_length=block_length,
            random_state=random_state,
        )

    def summary(self, n_best: int = 10) -> Summary:
        """The best sets, how many were tried, and what that does to the best score.

        Parameters
        ----------
        n_best : int, default=10
            Sets that are shown.

        Returns
        -------
        Summary
            Prints, and renders as LaTeX and HTML.

        Raises
        ------
        ValueError
            If ``n_best`` is not a positive whole number.
        """
        check_is_fitted(self)
        scoring = "the estimator's own" if self.scoring is None else str(self.scoring)
        facts = {
            "Sets tried:": f"{self.n_sets_:,}",
            "Folds:": str(self.n_splits_),
            "Score:": scoring,
            "Chosen:": " + ".join(map(str, self.best_set_)),
            "Fitted by:": self.engine_ + (f" ({self.reason_})" if self.reason_ else ""),
        }
        if not is_whole(n_best) or n_best < 1:
            raise ValueError(f"n_best={n_best!r} has to be a positive whole number.")
        return summary_of_search(self.results_.head(n_best), facts, self.n_sets_)

    def _best(self) -> BaseEstimator:
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "The search was fitted from moments, without rows to refit the best set to. Fit "
                f"{type(self.estimator).__name__} to the columns {list(self.best_set_)}."
            )
        return self.best_estimator_

    def _place_of(self, reference: Hashable) -> int:
        check_is_fitted(self)
        if is_among(reference, self.results_.index):
            return list(self.results_.index).index(reference)
        if not isinstance(reference, str) and np.iterable(reference):
            wanted = list(reference)
            for place, chosen in enumerate(self.sets_):
                if len(set(chosen)) == len(wanted) and all(is_among(n, chosen) for n in wanted):
                    return place
        raise ValueError(
            f"The reference {reference!r} is not one of the sets that were tried, such as "
            f"{self.results_.index[0]!r}. Name it by its label in results_ or its columns."
        )

    def _losses(self, most: int | None = None) -> tuple[Float64Array, list[int]]:
        """Losses (T, n) of the sets that have them, on each tested date, and which sets."""
        check_is_fitted(self)
        if self._engine_used is None:
            raise ValueError("The search was pickled, and its moments were left behind. Fit it.")
        if not self._walks_forward:
            warn_user(
                "Some folds were trained on dates after those that they test. Their losses depend "
                "on each other, so that sets look better, or worse, than they are too often: on "
                "noise, two folds reject three times as often as they should. Use "
                "WalkForwardSplit."
            )
        if most is not None and len(self._members) > most:
            raise ValueError(
                f"There are {len(self._members):,} sets, and more than {most:,} take too long to "
                "take out one after the other. Pass the best of them as candidates= to another "
                "search, chosen on other dates."
            )
        losses = self._engine_used.losses(self._members)
        return common_losses(losses, np.concatenate(self._tested))

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the moments, which may be large."""
        state: dict[str, Any] = super().__getstate__()
        if "_engine_used" in state:
            state = {**state, "_engine_used": None}
        return state

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata goes where: dates to the splitter, the rest to where it is requested."""
        router = MetadataRouter(owner=type(self).__name__)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router.add(estimator=self.estimator, method_mapping=mapping)
        return router.add(
            splitter=self._splitter(),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.regressor_tags = inner.regressor_tags
        return tags


def _model_of(estimator: BaseEstimator) -> BaseEstimator:
    """The model that a pipeline ends with."""
    whole = isinstance(estimator, Pipeline) and estimator.steps
    return estimator.steps[-1][1] if whole else estimator


def _column_names(X: ArrayLike) -> list[Hashable]:
    """Names of the columns of a frame, positions in an array."""
    if isinstance(X, pd.DataFrame):
        raise_if_repeated(X.columns, "X")
    for attribute in ("column_names", "columns"):  # of pyarrow, and of the others
        if hasattr(X, attribute):
            return list(getattr(X, attribute))
    if np.ndim(X) != 2:
        raise ValueError(
            f"Expected 2D array, got {np.ndim(X)}D array instead: X needs one column per factor. "
            "Reshape your data using array.reshape(-1, 1) if it has a single feature."
        )
    return list(range(np.shape(X)[1]))


def _take(X: ArrayLike, names: list[Hashable], row: BoolArray) -> Any:
    """The columns of X that a set has, in its container."""
    chosen = [names[k] for k in np.flatnonzero(row)]
    return FactorSelector(chosen).fit(X).transform(X)


def _most_assets(X: ArrayLike, y: Any, dates: RowLabels | None) -> int:
    """Assets on the date that has most of them."""
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        return int(np.shape(y)[1])
    panel = find_panel(X, y, n_rows=len(y), dates=dates)
    return len(y) if panel is None else int(panel.segments.lengths.max())
